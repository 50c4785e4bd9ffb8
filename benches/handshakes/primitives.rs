//! What the primitives of a handshake cost alone, with the library the engines use.

use std::hint::black_box;
use std::time::{Duration, Instant as Wall};

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey as UnparsedVerifyingKey,
};

use super::modes::Mode;

const MEASURED: Duration = Duration::from_millis(300);
const MESSAGE: [u8; 200] = [7; 200];

/// The mean cost of one of each.
pub struct Costs {
    sign: Duration,
    verify: Duration,
    /// A key pair for it included.
    agree: Duration,
    /// HMAC-SHA256 over a block: what keys are derived with.
    hmac: Duration,
}

impl Costs {
    pub fn print(&self) {
        println!("primitives: P-256 signature, verification, key agreement with its key pair; HMAC-SHA256");
        let us = |cost: Duration| cost.as_secs_f64() * 1e6;
        let Costs { sign, verify, agree, hmac } = *self;
        println!("{:.1} us, {:.1} us, {:.1} us; {:.2} us\n", us(sign), us(verify), us(agree), us(hmac));
    }

    /// What a handshake of this mode needs of them, both ends together.
    pub fn of(&self, mode: Mode) -> Duration {
        match mode {
            // Each end derives the master secret, the keys and two Finished: some 14 blocks of HMAC.
            Mode::DtlsPsk => self.hmac * 28,
            // Each end agrees on a key, signs once, and verifies that signature's counterpart and one of a chain.
            _ => (self.agree + self.sign + self.verify * 2) * 2 + self.hmac * 28,
        }
    }
}

pub fn measure() -> Costs {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("randomness");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).expect("its own key");
    let signature = key.sign(&random, &MESSAGE).expect("a signature");
    let public = UnparsedVerifyingKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref().to_vec());
    let peer = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).expect("randomness");
    let peer = peer.compute_public_key().expect("a public key");
    let mac = hmac::Key::new(hmac::HMAC_SHA256, &MESSAGE[..32]);
    Costs {
        sign: mean(|| {
            black_box(key.sign(&random, &MESSAGE).expect("a signature"));
        }),
        verify: mean(|| public.verify(&MESSAGE, signature.as_ref()).expect("a good signature")),
        agree: mean(|| {
            let own = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).expect("randomness");
            let _ = own.compute_public_key().expect("a public key");
            let peer = UnparsedPublicKey::new(&agreement::ECDH_P256, peer.as_ref());
            let agreed = agree_ephemeral(own, peer, (), |secret| {
                black_box(secret);
                Ok(())
            });
            agreed.expect("they agree");
        }),
        hmac: mean(|| {
            black_box(hmac::sign(&mac, &MESSAGE[..64]));
        }),
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn mean(mut act: impl FnMut()) -> Duration {
    for _ in 0..100 {
        act();
    }
    let begun = Wall::now();
    let mut times = 0;
    while begun.elapsed() < MEASURED {
        for _ in 0..20 {
            act();
        }
        times += 20;
    }
    begun.elapsed() / times
}
