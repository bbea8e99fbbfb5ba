//! Requests and their answers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    ClientError, Lines, Upload,
    connect::{connect, is_read_only},
};
use crate::Failure;

/// How long an ordinary request may take. Changing a full table takes about a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a body that is not floodwall's which are shown.
const SHOWN: usize = 200;

/// What a request carries.
pub(super) type RequestBody = Either<Full<Bytes>, Upload>;

/// A client of one control socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    patience: Duration,
}

impl Client {
    /// A client of the socket at this path. Nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), patience: PATIENCE }
    }

    /// The same client with another time that an ordinary request may take.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whether the daemon is reached by the socket whose clients may only look, as the control socket is not for this user.
    pub async fn is_read_only(&self) -> bool {
        is_read_only(&self.socket).await
    }

    /// Asks.
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.ordinary(Method::GET, target, Bytes::new()).await
    }

    /// Sends a command.
    pub async fn post<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.ordinary(Method::POST, target, json(body)?).await
    }

    /// Sends a new value.
    pub async fn put<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.ordinary(Method::PUT, target, json(body)?).await
    }

    /// Asks for what is no JSON, such as a capture, of at most so many bytes.
    pub async fn bytes(&self, target: &str, most: usize) -> Result<Vec<u8>, ClientError> {
        let answer = async {
            let response = self.send(Method::GET, target, Either::Left(Full::default())).await?;
            let body = Limited::new(response.into_body(), most).collect().await;
            body.map(|body| body.to_bytes().to_vec()).map_err(|error| ClientError::Lost(error.to_string()))
        };
        tokio::time::timeout(self.patience, answer).await.unwrap_or(Err(ClientError::Silent(self.patience)))
    }

    /// Asks for lines, for as long as they come.
    pub async fn lines<T: DeserializeOwned>(&self, target: &str) -> Result<Lines<T>, ClientError> {
        let response = self.send(Method::GET, target, Either::Left(Full::default())).await?;
        Ok(Lines::new(response.into_body()))
    }

    /// Sends what `upload` reads, and gives the lines that answer it.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        target: &str,
        upload: Upload,
    ) -> Result<Lines<T>, ClientError> {
        let fault = upload.fault();
        let response = self.send(Method::POST, target, Either::Right(upload)).await;
        // A body that ends in an error tears the connection down; the reason is the body's.
        match fault.take() {
            Some(error) => Err(ClientError::Upload(error)),
            None => response.map(|response| Lines::new(response.into_body())),
        }
    }

    async fn ordinary<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let answer = async {
            let response = self.send(method, target, Either::Left(Full::new(body))).await?;
            let body =
                response.into_body().collect().await.map_err(|error| ClientError::Lost(error.to_string()))?;
            let body = body.to_bytes();
            serde_json::from_slice(&body)
                .map_err(|error| ClientError::Foreign(format!("{error} in `{}`", shown(&body))))
        };
        tokio::time::timeout(self.patience, answer).await.unwrap_or(Err(ClientError::Silent(self.patience)))
    }

    /// Sends a request; the response is one of success.
    async fn send(
        &self,
        method: Method,
        target: &str,
        body: RequestBody,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "floodwall")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| ClientError::Foreign(error.to_string()))?;
        let mut sender = connect(&self.socket).await?;
        let response =
            sender.send_request(request).await.map_err(|error| ClientError::Lost(error.to_string()))?;
        if response.status().is_success() { Ok(response) } else { Err(failure(response).await) }
    }

    /// Path of the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

fn json(value: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| ClientError::Foreign(error.to_string()))
}

/// What a response other than success says.
async fn failure(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let body = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return ClientError::Lost(error.to_string()),
    };
    match serde_json::from_slice::<Failure>(&body) {
        Ok(failure) => ClientError::Failed(failure),
        Err(_) if status == StatusCode::PAYLOAD_TOO_LARGE => ClientError::Failed(Failure {
            kind: crate::FailureKind::Invalid,
            message:
                "too much for one request; put the prefixes into a file and import it, or split the file"
                    .to_owned(),
        }),
        Err(_) => ClientError::Foreign(format!("{status}: {}", shown(&body))),
    }
}

/// Foreign bytes, shortened and made fit for a terminal.
fn shown(body: &[u8]) -> String {
    body[..body.len().min(SHOWN)].escape_ascii().to_string()
}
