//! The config of the house that is measured: that of the captures.

use std::path::Path;

use ringdesk::config::{Ami, Config, Environment, Secrets, Source};

/// The house, with the addresses of its peers and the folder of its journal.
pub fn config_text(pbx_port: u16, crm: &str, folder: &Path) -> String {
    format!(
        r#"
[log]
level = "warn"

[[pbx.ami]]
name = "main"
host = "127.0.0.1"
port = {pbx_port}
username = "ringdesk"
secret = "bench"

[crm.zendesk]
url = "{crm}"
client_id = "ringdesk"
client_secret = "sandbox-secret"
requests_per_minute = 10000

[callers]
country = "DE"
area_code = "30"
default_user = "telephone@example.com"

[[group]]
queue = "support"

[[group]]
queue = "helpdesk"

[[group]]
extension = "610"
name = "sales"

[[agent]]
extension = "201"
email = "anna.weber@example.com"

[[agent]]
extension = "202"
email = "bernd.lange@example.com"

[[agent]]
extension = "203"
email = "joerg.mueller@example.com"

[journal]
url = "sqlite:{folder}/journal.db"

[web]
listen = "127.0.0.1:0"
"#,
        folder = folder.display()
    )
}

/// The same, read.
pub fn config(text: &str) -> Config {
    Config::parse(text, Path::new("bench.toml"), &Environment::empty(), Secrets::Needed)
        .expect("the config of the benches")
}

/// Its PBX.
pub fn ami(config: &Config) -> &Ami {
    let Some(Source::Ami(ami)) = config.sources.first() else { unreachable!("the house has a PBX") };
    ami
}
