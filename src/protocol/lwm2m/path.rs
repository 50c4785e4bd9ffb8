//! stub
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    len: u8,
    ids: [u16; 4],
}
impl Path {
    pub const ROOT: Path = Path { len: 0, ids: [0; 4] };
    pub const fn object(o: u16) -> Self {
        Path { len: 1, ids: [o, 0, 0, 0] }
    }
    pub const fn instance(o: u16, i: u16) -> Self {
        Path { len: 2, ids: [o, i, 0, 0] }
    }
    pub const fn resource(o: u16, i: u16, r: u16) -> Self {
        Path { len: 3, ids: [o, i, r, 0] }
    }
    pub const fn resource_instance(o: u16, i: u16, r: u16, ri: u16) -> Self {
        Path { len: 4, ids: [o, i, r, ri] }
    }
    pub fn ids(&self) -> &[u16] {
        &self.ids[..usize::from(self.len)]
    }
    pub fn from_segments<'a>(_segments: impl Iterator<Item = &'a str>) -> Option<Path> {
        todo!()
    }
    pub fn starts_with(&self, _prefix: &Path) -> bool {
        todo!()
    }
}
impl std::fmt::Debug for Path {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
impl std::fmt::Display for Path {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
