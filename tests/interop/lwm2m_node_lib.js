'use strict';

// lwm2m-node-lib, a LwM2M 1.0 server and client, played by command:
//
//     node lwm2m_node_lib.js FOLDER server PORT
//     node lwm2m_node_lib.js FOLDER client HOST PORT ENDPOINT
//
// FOLDER holds the package (its `node_modules` has lwm2m-node-lib). The server prints a line for whatever
// happens at it, and asks every device that updates its registration for some of what it has. The client
// registers, updates and leaves. Lines are words, and a JSON value at the end where there is one.

const dgram = require('dgram');
const path = require('path');
const { createRequire } = require('module');

const [folder, role, ...rest] = process.argv.slice(2);
const library = createRequire(path.join(path.resolve(folder), 'node_modules', '_'))('lwm2m-node-lib');

// The package binds all interfaces; nothing here is to be seen from elsewhere.
const bind = dgram.Socket.prototype.bind;
dgram.Socket.prototype.bind = function (port, _address, ready) {
    return bind.call(this, typeof port === 'number' ? port : 0, '127.0.0.1', ready);
};

function say(...words) {
    console.log(words.join(' '));
}

function fail(what) {
    return function (error) {
        if (error) {
            say('failed', what, JSON.stringify(String(error.message || error)));
            process.exit(1);
        }
    };
}

const common = {
    logLevel: 'FATAL',
    ipProtocol: 'udp4',
    serverProtocol: 'udp4',
    // The numbers of LwM2M 1.0; the package's own are those of drafts.
    formats: [
        { name: 'application/vnd.oma.lwm2m+tlv', value: 11542 },
        { name: 'application/vnd.oma.lwm2m+json', value: 11543 },
    ],
    writeFormat: 'text/plain',
};

function serve(port) {
    const { server } = library;
    const managed = new Set();

    // Some of everything that the package can ask for, in this order.
    function manage(device) {
        const operations = [
            ['read', 3, 0, 0],
            ['read', 1, 0, 1],
            ['write', 1, 0, 1, '120'],
            ['read', 1, 0, 1],
            ['execute', 1, 0, 8, ''],
            ['discover', 3],
            ['read', 3, 0, 4711],
        ];
        function next() {
            const operation = operations.shift();
            if (!operation) {
                return say('managed', device.name);
            }
            const [verb, ...target] = operation;
            const place = '/' + target.slice(0, 3).join('/');
            server[verb](device.id, ...target, function (error, answer) {
                const outcome = error ? String(error.code || error.message) : answer;
                say('answered', device.name, verb, place, JSON.stringify(outcome));
                next();
            });
        }
        next();
    }

    const config = {
        ...common,
        port,
        lifetimeCheckInterval: 1000,
        defaultType: 'Device',
        types: [],
        defaultAcceptFormat: 'text/plain',
    };
    server.start(config, function (error, info) {
        fail('start')(error);
        server.setHandler(info, 'registration', function (endpoint, lifetime, version, binding, links, done) {
            say('registered', endpoint, lifetime, version, binding, JSON.stringify(links));
            done();
        });
        server.setHandler(info, 'updateRegistration', function (device, links, done) {
            say('updated', device.name, device.lifetime, JSON.stringify(links));
            done();
            if (!managed.has(device.name)) {
                managed.add(device.name);
                // Once the Update is answered.
                setImmediate(manage, device);
            }
        });
        server.setHandler(info, 'unregistration', function (device, done) {
            say('left', device.name);
            done();
        });
        say('listening', port);
    });
}

function play(host, port, endpoint) {
    const { client } = library;
    client.init({
        client: { ...common, lifetime: '60', version: '1.0', observe: { period: 3000 } },
        logLevel: 'FATAL',
    });
    const { registry } = client;
    registry.create('/3/0', function (error) {
        fail('create')(error);
        registry.setResource('/3/0', '0', 'node', function (error) {
            fail('set')(error);
            client.register(host, port, '', endpoint, function (error, device) {
                fail('register')(error);
                say('registered', device.location);
                // It adds what a response has for a location to the one it knows.
                client.update(device, function (error) {
                    fail('update')(error);
                    say('updated', device.location);
                    client.unregister(device, function (error) {
                        fail('unregister')(error);
                        say('left');
                        process.exit(0);
                    });
                });
            });
        });
    });
}

if (role === 'server') {
    serve(Number(rest[0]));
} else {
    play(rest[0], Number(rest[1]), rest[2]);
}
