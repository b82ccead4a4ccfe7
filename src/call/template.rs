//! stub
/// x
#[derive(Clone, Debug)]
pub struct Template(String);
/// x
pub const SUBJECT_LENGTH: usize = 150;
/// x
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
impl Template {
    /// x
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }
    /// x
    pub fn render(&self, value: &dyn Fn(&str) -> Option<String>) -> String {
        let mut out = self.0.clone();
        for name in [
            "caller_number",
            "caller_name",
            "person",
            "dialled",
            "group",
            "agent_name",
            "agent_extension",
            "direction",
            "started",
            "answered",
            "candidates",
            "call_id",
            "source",
            "number",
        ] {
            out = out.replace(&format!("{{{name}}}"), &value(name).unwrap_or_default());
        }
        out
    }
}
