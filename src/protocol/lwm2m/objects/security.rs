//! /0 LwM2M Security: what a client knows about the servers it may connect to and its keys. Only a
//! Bootstrap-Server writes it; no server reads it.

use super::words::*;

/// The definition, at version 1.2.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 0,
    name: "LwM2M Security",
    version: (1, 2),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "LwM2M Server URI", NONE, String).mandatory().range(Length(0, 255)),
        r(1, "Bootstrap-Server", NONE, Boolean).mandatory(),
        r(2, "Security Mode", NONE, Integer).mandatory().range(Number(0, 4)),
        r(3, "Public Key or Identity", NONE, Opaque).mandatory(),
        r(4, "Server Public Key", NONE, Opaque).mandatory(),
        r(5, "Secret Key", NONE, Opaque).mandatory(),
        r(6, "SMS Security Mode", NONE, Integer).range(Number(0, 255)),
        r(7, "SMS Binding Key Parameters", NONE, Opaque).range(Length(6, 6)),
        r(8, "SMS Binding Secret Key(s)", NONE, Opaque).range(Lengths(&[16, 32, 48])),
        r(9, "LwM2M Server SMS Number", NONE, String),
        r(10, "Short Server ID", NONE, Integer).range(Number(1, 65534)),
        r(11, "Client Hold Off Time", NONE, Integer),
        r(12, "Bootstrap-Server Account Timeout", NONE, Integer),
        r(13, "Matching Type", NONE, Unsigned).range(Number(0, 3)).since(V1_1),
        r(14, "SNI", NONE, String).since(V1_1),
        r(15, "Certificate Usage", NONE, Unsigned).range(Number(0, 3)).since(V1_1),
        r(16, "DTLS/TLS Ciphersuite", NONE, Unsigned).multiple().since(V1_1),
        r(17, "OSCORE Security Mode", NONE, ObjectLink).since(V1_1),
        r(18, "Groups To Use by Client", NONE, Unsigned).multiple().range(Number(0, 65535)).since(V1_2),
        r(19, "Signature Algorithms Supported by Server", NONE, Unsigned)
            .multiple()
            .range(Number(0, 65535))
            .since(V1_2),
        r(20, "Signature Algorithms To Use by Client", NONE, Unsigned)
            .multiple()
            .range(Number(0, 65535))
            .since(V1_2),
        r(21, "Signature Algorithm Certs Supported by Server", NONE, Unsigned)
            .multiple()
            .range(Number(0, 65535))
            .since(V1_2),
        r(22, "TLS 1.3 Features To Use by Client", NONE, Unsigned).range(Number(0, 65535)).since(V1_2),
        r(23, "TLS Extensions Supported by Server", NONE, Unsigned).range(Number(0, 65535)).since(V1_2),
        r(24, "TLS Extensions To Use by Client", NONE, Unsigned).range(Number(0, 65535)).since(V1_2),
        r(25, "Secondary LwM2M Server URI", NONE, String).multiple().range(Length(0, 255)).since(V1_2),
        r(26, "MQTT Server", NONE, ObjectLink).since(V1_2),
        r(27, "LwM2M COSE Security", NONE, ObjectLink).multiple().since(V1_2),
        r(28, "RDS Destination Port", NONE, Integer).range(Number(0, 15)).since(V1_2),
        r(29, "RDS Source Port", NONE, Integer).range(Number(0, 15)).since(V1_2),
        r(30, "RDS Application ID", NONE, String).since(V1_2),
    ],
};
