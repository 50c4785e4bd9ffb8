//! stub: CoRE link-format RFC 6690
use super::Error;
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub target: String,
    pub attributes: Vec<(String, Option<String>)>,
}
impl Link {
    pub fn new(_target: impl Into<String>) -> Self {
        todo!()
    }
    pub fn with(self, _key: &str, _value: impl Into<String>) -> Self {
        todo!()
    }
    pub fn attribute(&self, _key: &str) -> Option<&str> {
        todo!()
    }
}
pub fn encode(_links: &[Link]) -> Vec<u8> {
    todo!()
}
pub fn decode(_payload: &[u8]) -> Result<Vec<Link>, Error> {
    todo!()
}
