//! Answers browsers, where the configuration says so.

use std::path::{self, Path};

use floodwall_listen::{Listen, Listener};
use floodwall_web::{Gate, Token};
use tracing::{error, info};

use crate::{
    api::WebStatus,
    server::{self, Context},
};

/// Name of the file that holds the token, in the state directory.
const TOKEN: &str = "web-token";

/// What is to be said of the page.
pub(super) fn status(listen: &Listen, state_dir: &Path) -> WebStatus {
    let token_file = state_dir.join(TOKEN);
    let token_file = path::absolute(&token_file).unwrap_or(token_file);
    WebStatus { listen: listen.to_string(), token_file: token_file.display().to_string() }
}

/// Answers for ever; ends if there is no token, or nobody can be listened to there, and is tried again then.
pub(super) async fn serve(listen: Listen, context: Context) {
    let Some(token_file) = context.web.as_ref().map(|web| web.token_file.clone()) else { return };
    let token = match Token::open(Path::new(&token_file)) {
        Ok(token) => token,
        Err(error) => return error!(%error, "the page is not to be had, as there is no token"),
    };
    let listener = match Listener::bind(&listen).await {
        Ok(listener) => listener,
        Err(error) => return error!(%error, "the page is not to be had"),
    };
    info!(%listen, "the page is to be had; `floodwall web url` says its address");
    server::serve_page(listener, context, Gate::new(token)).await;
}
