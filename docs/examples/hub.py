"""A small hub for Hearth (docs/hub-protocol.md): MQTT 5 by paho-mqtt 2, everything else by Python's own library.

    pip install 'paho-mqtt>=2,<3'
    hearth registry add example && hearth ca issue example --out folder      where the fleet is run
    python3 hub.py localhost:8883 localhost:8884 folder                      host:port of relay and gateway
    hearth send example kitchen-lamp powered=1

The folder has ca.pem, cert.pem and key.pem, and gets hub.db: the boot counter, the journal of commands and the outbox. The hub
has one device, kitchen-lamp, and says on standard output what it does with it.

To stay short it puts each event into a batch of its own, keeps no account of earlier boots (header field "previous") and no
bound on the outbox (rules 5 and 6 of the outbox), and takes all commands one after another: a hub for a home needs more.
"""
import base64
import json
import random
import re
import secrets
import sqlite3
import ssl
import sys
import threading
import time

import paho.mqtt.client as mqtt

KEEP_ALIVE_S = 30
NUMBER = (int, float)
FIELDS = {
    "clock": {"stamp": NUMBER},
    "command": {
        **{"command": str, "hash": str, "device": str, "set": dict, "issued": NUMBER},
        **{"stamp": NUMBER, "left_ms": NUMBER, "epoch": str},
    },
}


def identity(path):
    """Hub and generation, from the certificate's name hearth://<fleet>/hub/<hub>/<generation>."""
    pem = open(path).read().split("-----")[2]
    # In DER the name's length is the byte before it.
    found = re.search(rb"\x86(.)(hearth://)", base64.b64decode(pem), re.S)
    if not found:
        sys.exit(f"hub: {path} names no hub")
    name = base64.b64decode(pem)[found.start(2) : found.start(2) + found[1][0]].decode()
    _, _, _, _, hub, generation = name.split("/")
    return hub, int(generation)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


class Disk:
    """Boot counter, journal and outbox. Each change is on the disk, synced, when its method returns."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("pragma synchronous = full")
        self.db.execute("create table if not exists boots (counter integer)")
        self.db.execute("create table if not exists commands (id text primary key, hash, device, issued, outcome)")
        self.db.execute("create table if not exists outbox (counter, boot, seq, line, primary key (counter, seq))")

    def ask(self, sql, *values):
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    def begin_boot(self, above=0):
        """The counter is on the disk before the boot is used, and only rises."""
        known = self.ask("select max(counter) from boots")[0][0] or 0
        counter = max(known, above) + 1
        self.ask("insert into boots values (?)", counter)
        return counter


class Hub:
    def __init__(self, folder):
        self.folder = folder
        self.hub, self.generation = identity(f"{folder}/cert.pem")
        self.disk = Disk(f"{folder}/hub.db")
        self.started = time.monotonic()
        self.connects = 0
        self.lock = threading.Lock()
        # What ended a command, until the relay's PUBACK: it is told again on each new connection.
        self.unheard = []
        self.begin()
        # Begun and without an outcome. It is told at the start: its command may never come again.
        for row in self.disk.ask("select id, hash, device, issued from commands where outcome is null"):
            said = dict(zip(("command", "hash", "device", "issued"), row))
            self.stage(None, said, "interrupted", 0, "the hub stopped while it carried the command out")

    def begin(self, floor=0):
        """A new boot, above what the disk and the server know."""
        with self.lock:
            if floor and floor < self.counter:
                return
            self.counter = self.disk.begin_boot(floor)
            self.boot = f"{self.generation}-{self.counter}-{secrets.token_hex(4)}"
            self.seq = 0
        self.record(kind="health", uptime_ms=self.now_ms())

    counter = 0

    def now_ms(self):
        """ms of the monotonic clock since this program began."""
        return round((time.monotonic() - self.started) * 1000, 3)

    def record(self, **event):
        """Appends an event to the control stream."""
        with self.lock:
            line = json.dumps({"m": self.now_ms(), **event}, separators=(",", ":"), ensure_ascii=False) + "\n"
            self.disk.ask("insert into outbox values (?, ?, ?, ?)", self.counter, self.boot, self.seq, line)
            self.seq += 1

    def epoch(self):
        with self.lock:
            self.connects += 1
            return [self.generation, self.counter, self.connects]

    def connection(self, address, connected, message=None):
        """Connects again and again. `connected(client, epoch)` is called in this thread, until it raises or returns."""
        host, port = address.rsplit(":", 1)
        failures = 0
        while True:
            begun = time.monotonic()
            epoch = self.epoch()
            ready, gone = threading.Event(), threading.Event()
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, self.hub, protocol=mqtt.MQTTv5, reconnect_on_failure=False)
            client.username_pw_set(".".join(map(str, epoch)))
            # In a storm the handshake waits for its turn.
            client.connect_timeout = 20
            # No more wait for PUBACK than either server takes.
            client.max_inflight_messages_set(8)
            tls = ssl.create_default_context(cafile=f"{self.folder}/ca.pem")
            tls.minimum_version = ssl.TLSVersion.TLSv1_3
            tls.set_alpn_protocols(["mqtt"])
            tls.load_cert_chain(f"{self.folder}/cert.pem", f"{self.folder}/key.pem")
            client.tls_set_context(tls)

            def on_connect(_client, _data, _flags, reason, properties):
                floor = dict(getattr(properties, "UserProperty", [])).get("hearth-floor", "")
                if re.fullmatch(r"\d{1,9}", floor):
                    self.begin(int(floor))
                    client.disconnect()
                elif reason == 0:
                    print(f"hub: connected to {address} as {epoch}", file=sys.stderr, flush=True)
                    ready.set()
                else:
                    print(f"hub: {address} refuses: {reason}", file=sys.stderr, flush=True)

            client.on_connect = on_connect
            reasons = []

            def on_disconnect(_client, _data, _flags, reason, _properties):
                reasons.append(reason.value)
                gone.set()
                ready.set()

            client.on_disconnect = on_disconnect
            client.on_message = message and (lambda c, _d, heard: message(c, epoch, heard.payload))
            try:
                client.connect(host, int(port), keepalive=KEEP_ALIVE_S)
                client.loop_start()
                if ready.wait(10) and not gone.is_set():
                    connected(client, gone)
            except OSError as error:
                print(f"hub: {address} cannot be reached: {error}", file=sys.stderr, flush=True)
            client.disconnect()
            client.loop_stop()
            # Full jitter. Only a session of a minute clears the count, and Use another server (0x9C).
            failures = 1 if time.monotonic() - begun >= 60 or 0x9C in reasons else failures + 1
            time.sleep(random.uniform(0, min(20, 0.5 * 2 ** min(failures - 1, 10))))

    # ---- telemetry ----

    def ship(self, client, gone):
        """The oldest batch first, each until it is acknowledged; what was sent and not answered is sent again."""
        answered = threading.Event()
        reasons = []
        client.on_publish = lambda _c, _d, _mid, reason, _p: (reasons.append(reason), answered.set())
        while not gone.is_set():
            found = self.disk.ask("select counter, boot, seq, line from outbox order by counter, seq limit 1")
            if not found:
                gone.wait(0.2)
                continue
            counter, boot, seq, line = found[0]
            with self.lock:
                running, following = boot == self.boot, self.seq if boot == self.boot else seq + 1
            header = {
                **{"hearth": 1, "boot": boot, "stream": "control", "first": seq, "count": 1, "next": following, "acked": seq},
                # An earlier boot's clock is gone: its batches go without.
                **({"now": self.now_ms()} if running else {}),
                **{"wall": 0, "firmware": "py-1.0", "agent": "hub.py", "dropped": [], "crc": crc32c(line.encode()), "previous": []},
            }
            answered.clear()
            client.publish(f"h/{self.hub}/telemetry", json.dumps(header) + "\n" + line, qos=1)
            if not answered.wait(30) or gone.is_set():
                return
            # 0x00: durable. 0x99 and 0x97: set aside for good, and not to be sent again either.
            if reasons[-1].value in (0x00, 0x10, 0x97, 0x99):
                self.disk.ask("delete from outbox where counter = ? and seq = ?", counter, seq)

    # ---- commands ----

    def obey(self, client, gone):
        """Commands come to `hear`. What the relay has not acknowledged is told again."""
        # Another relay has another clock.
        self.differences, self.asked_ms, self.sent = [], self.now_ms(), {}
        client.on_publish = lambda _c, _d, mid, _reason, _p: self.acknowledged(mid)
        client.on_subscribe = lambda *_: [self.tell(client, told) for told in self.unheard]
        client.subscribe(f"h/{self.hub}/command", qos=0)
        gone.wait()

    def lain_ms(self, stamp):
        """How much longer than the luckiest message of the last ten minutes this one was on its way."""
        at = self.now_ms()
        # The first was made after SUBSCRIBE was sent, and may have lain on its way ever since.
        since, self.asked_ms = at if self.asked_ms is None else self.asked_ms, None
        self.differences = [one for one in self.differences if at - one[0] < 600_000] + [(at, since - stamp)]
        return at - stamp - min(difference for _, difference in self.differences)

    def hear(self, client, epoch, payload):
        try:
            said = json.loads(payload)
            good = all(isinstance(said[name], kind) for name, kind in FIELDS[said["type"]].items())
            good = good and (said["type"] != "command" or re.fullmatch(r"\d{1,9}\.\d{1,9}\.\d{1,9}", said["epoch"]))
        except (ValueError, KeyError, TypeError):
            good = False
        # What is no message of this protocol is let be.
        if good and said["type"] == "clock":
            self.lain_ms(said["stamp"])
        elif good:
            self.command(client, epoch, said)

    def tell(self, client, told):
        """To the relay, with QoS 1 what ends a command; without a client, once there is one."""
        ends = told["stage"] != "received"
        if ends and told not in self.unheard:
            self.unheard = [*self.unheard[-255:], told]
        if client:
            payload = json.dumps({"hearth": 1, "type": "result", **told})
            mid = client.publish(f"h/{self.hub}/result", payload, qos=1 if ends else 0).mid
            if ends:
                self.sent[mid] = told

    def acknowledged(self, mid):
        told = self.sent.pop(mid, None)
        self.unheard = [one for one in self.unheard if one != told]

    def stage(self, client, said, name, ms, reason=None):
        """To the control stream, the journal, the relay, in this order: a crash in between tells it twice, never not at all."""
        told = result(said, name, ms, reason)
        self.record(kind="command", device=said["device"], **told)
        if name != "received":
            self.journal(said, name)
        self.tell(client, told)

    def journal(self, said, outcome):
        row = said["command"], said["hash"], said["device"], said["issued"], outcome
        self.disk.ask("insert or replace into commands values (?, ?, ?, ?, ?)", *row)

    def command(self, client, epoch, said):
        older = [int(part) for part in said["epoch"].split(".")] < epoch
        # Another relay's clock would be taken for this one's.
        left_ms = said["left_ms"] - (0 if older else self.lain_ms(said["stamp"]))
        received_ms = self.now_ms()
        hash = said["hash"]
        known = self.disk.ask("select hash, outcome from commands where id = ?", said["command"])
        if known and known[0][0] != hash:
            self.tell(client, result(said, "rejected", 0, "this id was used for another command"))
        elif known:
            self.tell(client, result(said, known[0][1], 0))
        elif older:
            self.stage(client, said, "rejected", 0, "it was meant for an earlier session")
        elif left_ms <= 0:
            self.stage(client, said, "expired", 0, "its time ran out on the way; nothing was done")
        else:
            self.stage(client, said, "received", 0)
            if said["device"] != "kitchen-lamp":
                self.stage(client, said, "rejected", self.now_ms() - received_ms, "there is no such device")
                return
            # After a crash from here on the outcome is unknown.
            self.journal(said, None)
            # The disk may have taken its time: look at the clock once more.
            took_ms = self.now_ms() - received_ms
            if took_ms >= left_ms > 0:
                self.stage(client, said, "expired", took_ms, "its time ran out while it was written down; nothing was done")
                return
            print(said["device"], json.dumps(said["set"]), flush=True)
            self.stage(client, said, "executed", self.now_ms() - received_ms)


def result(said, stage, ms, reason=None):
    told = {"command": said["command"], "stage": stage, "ms": ms, "issued": said["issued"]}
    return told | ({"reason": reason} if reason else {})


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: hub.py <relay host:port> <gateway host:port> <folder>")
    hub = Hub(sys.argv[3])
    threading.Thread(target=hub.connection, args=(sys.argv[2], hub.ship), daemon=True).start()
    hub.connection(sys.argv[1], hub.obey, hub.hear)


main()
