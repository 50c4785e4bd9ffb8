//! Fetching a package block by block (RFC 7959 §2.4). Nothing of it is kept but its checksum, so that a
//! whole fleet can download at once; and what broke off goes on from the block where it did.

use std::sync::Arc;
use std::time::Duration;

use super::policy::{FirmwarePolicy, PackageFailure};
use super::target::Target;
use super::uri::PackageUri;
use crate::base::{Instant, Rng};
use crate::protocol::client::client::transport;
use crate::protocol::coap::{Block, Code, Exchange, Message, Params};
use crate::protocol::lwm2m::ServerUri;
use crate::protocol::lwm2m::package::PackageCheck;

/// One download.
pub(super) struct Download {
    /// What it is for.
    pub target: Target,
    pub exchange: Exchange,
    pub check: PackageCheck,
    /// Bytes of the package, if the server told.
    pub total: Option<u64>,
    /// The GET of a block is on its way, or just answered: from the first of an attempt to its end.
    pub asking: bool,
    /// Whether the way to the package stands.
    pub open: bool,
    /// It is taken up again at this instant.
    pub resume: Option<Instant>,
    uri: PackageUri,
    /// Of the first block: blocks with another one are of another package.
    etag: Option<Box<[u8]>>,
    /// Size exponent of the blocks asked for.
    szx: u8,
    /// How often it may still be taken up again.
    resumes: u32,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next block is to be asked for.
    More,
    /// That was the last block.
    Whole,
    /// This one was no use; it may go on after so long, or after the usual wait.
    Broken(Option<Duration>),
    /// There is no package to be had.
    Hopeless(PackageFailure),
}

impl Download {
    pub(super) fn new(
        target: Target,
        uri: PackageUri,
        params: &Arc<Params>,
        policy: &FirmwarePolicy,
        rng: Rng,
    ) -> Self {
        let size = params.block_size.clamp(16, 1024);
        Download {
            target,
            exchange: Exchange::over(transport(uri.server.scheme), params.clone(), rng),
            open: false,
            check: PackageCheck::default(),
            total: None,
            asking: false,
            resume: None,
            uri,
            etag: None,
            // RFC 7959 §2.2: 0 is 16 bytes, 6 is 1024.
            szx: (size.ilog2() - 4) as u8,
            resumes: policy.resumes,
        }
    }

    /// Where the package is.
    pub(super) fn server(&self) -> &ServerUri {
        &self.uri.server
    }

    /// Asks for the block that comes next.
    pub(super) fn ask(&mut self, now: Instant) {
        let mut block = Block { num: 0, more: false, szx: self.szx };
        // Whole blocks came in so far, of this size or a multiple of it.
        block.num = u32::try_from(self.check.received() / block.size() as u64).unwrap_or(u32::MAX);
        self.asking = true;
        self.resume = None;
        self.exchange.request(self.uri.request().with_block2(block), now);
    }

    /// Takes the answer to [`Download::ask`].
    pub(super) fn answered(&mut self, answer: &Message) -> Step {
        match answer.code() {
            Code::CONTENT => {}
            Code::SERVICE_UNAVAILABLE => {
                return Step::Broken(answer.max_age().map(|seconds| Duration::from_secs(seconds.into())));
            }
            // A server that has no such package, or does not give it to anybody.
            code if code.0 >> 5 == 4 => return Step::Hopeless(PackageFailure::InvalidUri),
            _ => return Step::Broken(None),
        }
        let received = self.check.received();
        let block = answer.block2().unwrap_or(Block { num: 0, more: false, szx: 6 });
        let etag = answer.etag();
        if received == 0 {
            self.etag = etag.map(Into::into);
            self.total = answer.size2().map(u64::from);
        }
        let next = block.offset() as u64 == received && etag == self.etag.as_deref();
        let full = !block.more || answer.payload().len() == block.size();
        if !next || !full || block.szx > self.szx && block.more {
            // Another package by now, or a server that cannot count: from the beginning.
            self.check = PackageCheck::default();
            return Step::Broken(None);
        }
        self.check.take(answer.payload());
        self.szx = block.szx.min(self.szx);
        if block.more { Step::More } else { Step::Whole }
    }

    /// It broke off, and is taken up again at `at`. False if that was done often enough.
    pub(super) fn broke_off(&mut self, at: Instant) -> bool {
        let Some(left) = self.resumes.checked_sub(1) else { return false };
        self.resumes = left;
        self.asking = false;
        self.resume = Some(at);
        true
    }
}
