//! Engine, tables and controller of a replay.

use clap::ValueEnum;

use super::{Given, internal, invalid};
use crate::{
    cli::exit::Failed,
    config::Config,
    replay::{
        engine::{Engine, KernelEngine, ModelEngine},
        run,
        watch::Watch,
        world::World,
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineName {
    /// The program in the kernel.
    Kernel,
    /// The same code on the host.
    Model,
}

/// What a replay runs on.
pub(super) struct Stage {
    engine: Box<dyn Engine>,
    pub(super) world: World,
    config: Config,
    controller: Watch,
}

impl Stage {
    pub(super) fn new(engine: EngineName, config: &Config, given: &Given) -> Result<Self, Failed> {
        let engine: Box<dyn Engine> = match engine {
            EngineName::Model => Box::new(ModelEngine::new(&config.capacity).map_err(internal)?),
            EngineName::Kernel => Box::new(KernelEngine::new(&config.capacity).map_err(internal)?),
        };
        let world = World::new(engine.tables(), config, given.lists.clone()).map_err(invalid)?;
        world.describe(config, &given.context.hosts[0], given.context.tells_flows()).map_err(invalid)?;
        let mut controller = Watch::new(config.observe);
        controller.take_over(&given.signatures, &world).map_err(invalid)?;
        Ok(Self { engine, world, config: config.clone(), controller })
    }

    pub(super) fn replay<'a>(&'a mut self, given: &'a Given) -> run::Replay<'a> {
        run::Replay {
            engine: &mut *self.engine,
            world: &self.world,
            config: &self.config,
            controller: &mut self.controller,
            context: &given.context,
        }
    }
}
