//! Serves the web page, if the configuration has `[web]`.

use std::path::{self, Path};

use floodwall_listen::{ListenAddress, Listener};
use floodwall_web::{Gate, Token};
use tracing::{error, info};

use crate::{
    api::WebStatus,
    server::{self, Context},
};

/// Name of the file in the state directory that holds the token.
const TOKEN_FILE: &str = "web-token";

/// The page's part of the status: where it is served, and where its token is.
pub(super) fn status(listen: &ListenAddress, state_dir: &Path) -> WebStatus {
    let token_file = state_dir.join(TOKEN_FILE);
    let token_file = path::absolute(&token_file).unwrap_or(token_file);
    WebStatus { listen: listen.to_string(), token_file: token_file.display().to_string() }
}

/// Serves for ever. Returns if there is no token or the address cannot be listened at, for the caller to try again.
pub(super) async fn serve(listen: ListenAddress, context: Context) {
    let Some(token_file) = context.web.as_ref().map(|web| web.token_file.clone()) else { return };
    let token = match Token::open(Path::new(&token_file)) {
        Ok(token) => token,
        Err(error) => return error!(%error, "the web page cannot be served without its token"),
    };
    let listener = match Listener::bind(&listen).await {
        Ok(listener) => listener,
        Err(error) => return error!(%error, "the web page cannot be served"),
    };
    info!(%listen, "the web page is served; `floodwall web url` prints its address");
    server::serve_page(listener, context, Gate::new(token)).await;
}
