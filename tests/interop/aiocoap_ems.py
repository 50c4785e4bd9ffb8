"""An EMS made of aiocoap: its resource directory, and a manager that talks to whoever registers there.

    aiocoap_ems.py ADDRESS:PORT

To be run by a Python that has aiocoap. It prints a line for whatever happens, of words and, where there is
one, a JSON value at the end. Each device that registers is read, in blocks and in one, observed and written
to, through the socket it registered at.
"""

import asyncio
import json
import sys

import aiocoap
from aiocoap import Message
from aiocoap.cli.rd import StandaloneResourceDirectory
from aiocoap.optiontypes import BlockOption

# Content formats.
TEXT, LINK, SENML_JSON = 0, 40, 110
# For one answer, in seconds.
PATIENCE = 30


def say(*words):
    print(*words, flush=True)


class Manager:
    """Asks one device for some of everything."""

    def __init__(self, context, registration):
        self.context = context
        self.base = registration.base
        self.endpoint = registration.registration_parameters["ep"][0]

    def say(self, name, path, answer, value):
        say("answered", self.endpoint, name, path, answer.code.dotted, json.dumps(value))

    async def ask(self, name, code, path, **options):
        request = Message(code=code, uri=self.base + path, **options)
        answer = await asyncio.wait_for(self.context.request(request).response, PATIENCE)
        self.say(name, path, answer, answer.payload.decode("utf-8", "replace"))
        return answer

    async def manage(self):
        await self.ask("read", aiocoap.GET, "/3/0/0", accept=TEXT)
        await self.in_blocks("/3/0")
        await self.ask("discover", aiocoap.GET, "/3", accept=LINK)
        await self.observe("/1/0/1", "240")
        await self.ask("execute", aiocoap.POST, "/1/0/8")
        await self.ask("read", aiocoap.GET, "/3/0/4711", accept=TEXT)
        say("managed", self.endpoint)

    async def in_blocks(self, path):
        """A Read in blocks of 16 bytes says what one in large blocks says."""
        whole = await self.ask("read", aiocoap.GET, path, accept=SENML_JSON)
        smallest = BlockOption.BlockwiseTuple(0, False, 0)
        request = Message(code=aiocoap.GET, uri=self.base + path, accept=SENML_JSON, block2=smallest)
        answer = await asyncio.wait_for(self.context.request(request).response, PATIENCE)
        self.say("blocks", path, answer, answer.payload == whole.payload)

    async def observe(self, path, value):
        """Observes, writes, and waits to be notified of what was written."""
        request = Message(code=aiocoap.GET, uri=self.base + path, accept=TEXT, observe=0)
        observing = self.context.request(request)
        first = await asyncio.wait_for(observing.response, PATIENCE)
        self.say("observe", path, first, first.opt.observe is not None)
        if first.opt.observe is None:
            return
        notified = asyncio.ensure_future(anext(aiter(observing.observation)))
        await self.ask("write", aiocoap.PUT, path, content_format=TEXT, payload=value.encode())
        notification = await asyncio.wait_for(notified, PATIENCE)
        self.say("notify", path, notification, notification.payload.decode())
        observing.observation.cancel()


class Watch:
    """Tells who comes, stays and goes, and has each newcomer managed."""

    def __init__(self, context, directory):
        self.context = context
        self.directory = directory
        self.lifetimes = {}
        self.tasks = set()

    def changed(self):
        # Called in the midst of the change: look when it is made.
        asyncio.get_running_loop().call_soon(self.look)

    def look(self):
        present = {r.registration_parameters["ep"][0]: r for r in self.directory.get_endpoints()}
        for endpoint in self.lifetimes.keys() - present.keys():
            say("left", endpoint)
        for endpoint, registration in present.items():
            if endpoint not in self.lifetimes:
                say("registered", endpoint, registration.href, registration.lt)
                task = asyncio.ensure_future(self.manage(registration))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            elif self.lifetimes[endpoint] != registration.lt:
                say("updated", endpoint, registration.href, registration.lt)
        self.lifetimes = {endpoint: registration.lt for endpoint, registration in present.items()}

    async def manage(self, registration):
        manager = Manager(self.context, registration)
        try:
            await manager.manage()
        except Exception as error:
            say("failed", manager.endpoint, json.dumps(repr(error)))


async def main(address):
    host, port = address.rsplit(":", 1)
    context = await aiocoap.Context.create_server_context(None, bind=(host, int(port)))
    site = StandaloneResourceDirectory(context=context, lwm2m_compat=True)
    context.serversite = site
    watch = Watch(context, site.common_rd)
    site.common_rd.register_change_callback(watch.changed)
    say("listening", address)
    await asyncio.get_running_loop().create_future()


asyncio.run(main(sys.argv[1]))
