//! `ringdesk sandbox`

use std::net::SocketAddr;
use std::path::PathBuf;

/// Serve a stand-in for Zendesk, to try things out
///
/// Its address is the first line printed. `GET /_sandbox/state` shows what it was told, `POST /_sandbox/faults`
/// switches faults.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address and port to listen at; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Users, groups and tickets to begin with, as JSON
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// A fault to begin with, such as slow=2s or status=503; may be given several times
    #[arg(long = "fault", value_name = "NAME=VALUE", value_parser = fault)]
    pub faults: Vec<(String, String)>,
}

fn fault(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write the name of the fault, `=` and its value".to_owned()),
    }
}
