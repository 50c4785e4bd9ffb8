//! What streams do that datagrams do not: pieces, refusals, ends.

use super::*;
use crate::sim::{Cut, Pieces};

const STREAMS: [(Scheme, Mode); 2] = [(Scheme::CoapTcp, Mode::NoSec), (Scheme::CoapsTcp, Mode::X509)];

fn registered(way: (Scheme, Mode)) -> World {
    let mut world = Kit::new(way, Setup { meters: 2, ..Setup::default() }).world();
    assert!(world.run_until(Instant::from_secs(60), all_registered), "{way:?} {:?}", world.states());
    world
}

#[test]
fn it_does_not_matter_how_bytes_are_cut() {
    for way in STREAMS {
        for pieces in [Pieces::Joined, Pieces::Of(1), Pieces::Of(7), Pieces::Random] {
            let mut world = Kit::new(way, Setup { meters: 3, ..Setup::default() }).world();
            world.set_pieces(pieces);
            let done = world.run_until(Instant::from_secs(60), all_registered);
            assert!(done, "{way:?} {pieces:?} {:?}", world.states());
        }
    }
}

#[test]
fn a_server_that_takes_no_streams_refuses_them() {
    for way in STREAMS {
        let mut world = Kit::new(way, Setup::default()).world();
        world.set_bootstrap_server(None);
        world.run_to(Instant::from_secs(5));
        assert!(failures(&world, FailureKind::ConnectionRefused) > 0, "{way:?} {:?}", world.events());
    }
}

#[test]
fn a_stream_that_is_cut_is_made_anew() {
    for way in STREAMS {
        for cut in [Cut::Reset, Cut::Orderly] {
            let mut world = registered(way);
            let held = world.streams_of(0);
            world.cut_streams(0, cut);
            world.run_to(world.now() + Duration::from_secs(1));
            assert!(world.streams_of(0) < held, "{way:?} {cut:?}");
            let limit = world.now() + Duration::from_secs(300);
            let again = |world: &World| world.streams_of(0) > 0 && all_registered(world);
            assert!(world.run_until(limit, again), "{way:?} {cut:?} {:?}", world.states());
        }
    }
}

#[test]
fn each_link_has_its_own_stream_and_the_bootstraps_does_not_stay() {
    for way in STREAMS {
        let mut world = registered(way);
        world.run_to(world.now() + Duration::from_secs(1_000));
        assert_eq!([world.streams_of(0), world.streams_of(1)], [1, 1], "{way:?}");
    }
}
