"""The rows of the demo's world, table by table, as lines of COPY's text format. Pure, seeded.

A line costs about a microsecond: no objects, no formatting of dates, texts escaped once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from random import Random
from typing import Final

from domicile.demo import words
from domicile.demo.world import World

__all__ = ["TABLES", "chunks"]

_LINES_PER_CHUNK = 4_000
_NULL: Final = "\\N"


def _escape(text: str) -> str:
    """COPY's text format, https://www.postgresql.org/docs/current/sql-copy.html, File Formats."""
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def _array(items: Iterable[str]) -> str:
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return _escape("{" + ",".join(f'"{item}"' for item in quoted) + "}")


_PHRASES = [_escape(text) for text in words.PHRASES]
_SENTENCES = _PHRASES + [f"{a}, {b}" for a in _PHRASES[::2] for b in _PHRASES[1::2]] + [""]
_CAPTIONS = [_escape(text) for text in words.CAPTIONS]
_HASHTAGS = [
    *("{}" for _ in range(10)),
    *(_array([tag]) for tag in words.HASHTAGS),
    *(_array([a, b]) for a, b in zip(words.HASHTAGS, words.HASHTAGS[3:], strict=False)),
]
_SETTINGS = [
    _NULL,
    "{}",
    *(
        _escape(json.dumps({"dark": dark, "mute": [w], "lang": code, "ratio": 1.5}))
        for dark in (True, False)
        for w in ("spoilers", 'a "quote"', "back\\slash", "日本")
        for code, _ in words.LANGUAGES
    ),
]
_FIRST_DAY = date(2023, 1, 1)
_DAYS = [str(_FIRST_DAY + timedelta(days=n)) for n in range(1096)]
_CLOCK = [f"{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.{n * 7919 % 10**6:06}+00"
          for n in range(0, 86_400, 13)]  # fmt: skip
_BIRTHDAYS = [str(date(1955, 1, 1) + timedelta(days=n)) for n in range(0, 20_000, 7)]


def _moment(lot: float, progress: float) -> str:
    """A time that grows with progress (0 to 1) through the table, as ids do."""
    day = _DAYS[int(progress * 1_000 + lot * 90)]
    return f"{day} {_CLOCK[int(lot * 6_600)]}"


def _public_video(world: World, lot: Callable[[], float]) -> int:
    """A public video; early ones are more popular."""
    videos = world.videos
    while True:
        video = 1 + int(lot() * lot() * videos)
        if world.visibility(video) == "public":
            return video


def _countries(_: World) -> Iterator[str]:
    for code, name, calling_code, _share, _language in words.COUNTRIES:
        yield f"{code}\t{name}\t{calling_code}\n"


def _languages(_: World) -> Iterator[str]:
    for code, name in words.LANGUAGES:
        yield f"{code}\t{name}\n"


def _users(world: World) -> Iterator[str]:
    rng = world.random("users")
    lot = rng.random
    shares = [country[3] for country in words.COUNTRIES]
    avatar = 0.045 * world.media
    for first in range(1, world.people + 1, 1000):
        countries = rng.choices(words.COUNTRIES, shares, k=1000)
        for person in range(first, min(first + 1000, world.people + 1)):
            code, _name, calling, _share, language = countries[person - first]
            given = words.GIVEN_NAMES[int(lot() * 40)]
            family = words.FAMILY_NAMES[int(lot() * 40)]
            phone = f"+{calling} 555 {person:07}" if lot() < 0.9 else _NULL
            yield (
                f"{person}\t{given}{person}\t{code}\t{language if lot() < 0.95 else _NULL}\t"
                f"{_mailbox(given, family, person)}\t{phone}\t{_BIRTHDAYS[int(lot() * 2_857)]}\t"
                f"{given} {family}\t{_bio(lot)}\t"
                f"{_avatar_key(person) if lot() < avatar else _NULL}\t"
                f"{_SETTINGS[int(lot() * len(_SETTINGS))]}\t{lot() * 400 - 20:.2f}\t"
                f"{_inviter(person, lot)}\t{_moment(lot(), person / world.people)}\n"
            )


_PLAIN = str.maketrans("çéíãüŞşěàøöýèáóćłôễş", "ceiaussaaooyeaocloes")


def _mailbox(given: str, family: str, person: int) -> str:
    host = ("example.com", "mail.example", "example.org", "example.net")[person % 4]
    local = f"{given}.{family}".translate(_PLAIN).lower().replace("'", "")
    return f"{local}.{person}@{host}"


def _bio(lot: Callable[[], float]) -> str:
    return _SENTENCES[int(lot() * len(_SENTENCES))] if lot() < 0.4 else _NULL


def _avatar_key(person: int) -> str:
    return f"avatars/{person}.png"


def _inviter(person: int, lot: Callable[[], float]) -> str:
    return str(1 + int(lot() * (person - 1))) if person > 1 and lot() < 0.15 else _NULL


def _sounds(world: World) -> Iterator[str]:
    lot = world.random("sounds").random
    for sound in range(1, world.sounds + 1):
        title = f"{words.SOUNDS[int(lot() * len(words.SOUNDS))]} {sound}"
        artist = words.FAMILY_NAMES[int(lot() * 40)]
        creator = str(1 + int(lot() * world.people)) if lot() < 0.6 else _NULL
        yield f"{sound}\t{title}\t{artist}\t{int(5_000 + lot() * 55_000)}\t{creator}\n"


def _videos(world: World) -> Iterator[str]:
    lot = world.random("videos").random
    for video in range(1, world.videos + 1):
        author, visibility = world.author(video), world.visibility(video)
        chance = (0.24 if visibility == "public" else 0.4) * world.media
        key = _video_key(author, video, visibility) if lot() < chance else _NULL
        sound = 1 + int(lot() * world.sounds) if lot() < 0.7 else _NULL
        place = f"({lot() * 360 - 180:.4f},{lot() * 140 - 70:.4f})" if lot() < 0.3 else _NULL
        yield (
            f"{video}\t{author}\t{_CAPTIONS[int(lot() * len(_CAPTIONS))]}\t{sound}\t{key}\t"
            f"{int(3_000 + lot() * 57_000)}\t{visibility}\t"
            f"{_HASHTAGS[int(lot() * len(_HASHTAGS))]}\t{place}\t"
            f"{_moment(lot(), video / world.videos)}\n"
        )


def _video_key(author: int, video: int, visibility: str) -> str:
    folder = "public" if visibility == "public" else "private"
    name = (f"{video}", f"{video}", f"my clip {video}", f"été {video} 🌞")[video * 7 % 11 % 4]
    return f"{folder}/{author}/{name}.mp4"


def _drafts(world: World) -> Iterator[str]:
    rng = world.random("drafts")
    lot = rng.random
    for number in range(world.drafts):
        owner = 1 + int(lot() * world.people)
        draft = _uuid(rng)
        key = f"drafts/{owner}/{draft}.mp4" if lot() < 0.15 * world.media else _NULL
        title = _CAPTIONS[int(lot() * len(_CAPTIONS))] if lot() < 0.6 else _NULL
        edits = _SETTINGS[int(lot() * len(_SETTINGS))]
        when = _moment(lot(), number / world.drafts)
        yield f"{draft}\t{owner}\t{title}\t{key}\t{edits}\t{when}\n"


def _uuid(rng: Random) -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _comments(world: World) -> Iterator[str]:
    """Under other people's videos; a quarter replies to a recent one under the same video."""
    lot = world.random("comments").random
    recent: deque[tuple[int, int]] = deque(((0, 0),), maxlen=512)
    for comment in range(1, world.comments + 1):
        person = 1 + int(lot() * world.people)
        parent, video = recent[int(lot() * len(recent))] if lot() < 0.25 else (0, 0)
        if not parent:
            video = _public_video(world, lot)
            if world.author(video) == person:
                person = person % world.people + 1
        recent.append((comment, video))
        yield (
            f"{comment}\t{person}\t{video}\t{parent or _NULL}\t"
            f"{_SENTENCES[int(lot() * len(_SENTENCES))]}\t"
            f"{_moment(lot(), comment / world.comments)}\n"
        )


def _likes(world: World) -> Iterator[str]:
    lot = world.random("likes").random
    for person in range(1, world.people + 1):
        liked = {_public_video(world, lot) for _ in range(int(lot() * 17))}
        for video in liked:
            yield f"{person}\t{video}\t{_moment(lot(), video / world.videos)}\n"


def _follows(world: World) -> Iterator[str]:
    lot = world.random("follows").random
    for person in range(1, world.people + 1):
        followed = {1 + int(lot() * world.people) for _ in range(int(lot() * 9))}
        followed.discard(person)
        for other in followed:
            yield f"{person}\t{other}\t{_moment(lot(), person / world.people)}\n"


def _direct_messages(world: World) -> Iterator[str]:
    rng = world.random("direct messages")
    lot = rng.random
    attached = 0.013 * world.media
    for message in range(1, world.messages + 1):
        sender = 1 + int(lot() * world.people)
        recipient = (sender + int(lot() * (world.people - 1))) % world.people + 1
        key = _NULL
        if lot() < attached:
            name = _uuid(rng)
            key = f"attachments/{name[:2]}/{name}.jpg"
        sent = _moment(lot(), message / world.messages)
        yield (
            f"{message}\t{sender}\t{recipient}\t{_SENTENCES[int(lot() * len(_SENTENCES))]}\t"
            f"{key}\t{sent}\t{sent if lot() < 0.7 else _NULL}\n"
        )


def _watch_events(world: World) -> Iterator[str]:
    lot = world.random("watch events").random
    total = world.watch_events
    for number in range(total):
        person = 1 + int(lot() * world.people)
        video = _public_video(world, lot)
        line = f"{person}\t{video}\t{int(lot() * 60_000)}\t{_moment(lot(), number / total)}\n"
        yield line
        if lot() < 0.01:  # the pipeline delivers at least once
            yield line
    for number in range(world.orphans):
        gone = world.people + 1_000_000 + number
        yield f"{gone}\t{1}\t{number}\t{_moment(lot(), 1.0)}\n"


def _devices(world: World) -> Iterator[str]:
    rng = world.random("devices")
    lot = rng.random
    device = 0
    for person in range(1, world.people + 1):
        for _ in range(1 + int(lot() * 1.6)):
            device += 1
            if lot() < 0.8:
                place = f"{lot() * 140 - 70:.6f}\t{lot() * 360 - 180:.6f}"
            else:
                place = f"{_NULL}\t{_NULL}"
            address = f"198.51.{int(lot() * 256)}.{int(lot() * 256)}"
            token = f"\\\\x{rng.getrandbits(256):064x}" if lot() < 0.9 else _NULL
            yield (
                f"{device}\t{person}\t{words.MODELS[int(lot() * 8)]}\t{_uuid(rng)}\t{place}\t"
                f"{address}\t{token}\t{_moment(lot(), lot())}\n"
            )


def _support_tickets(world: World) -> Iterator[str]:
    lot = world.random("tickets").random
    for ticket in range(1, world.tickets + 1):
        person = 1 + int(lot() * world.people)
        subject = words.SUBJECTS[int(lot() * len(words.SUBJECTS))]
        closed = "t" if lot() < 0.6 else "f"
        yield f"{ticket}\t{person}\t{subject}\t{closed}\t{_moment(lot(), ticket / world.tickets)}\n"


def _ticket_messages(world: World) -> Iterator[str]:
    lot = world.random("ticket messages").random
    message = 0
    for ticket in range(1, world.tickets + 1):
        for turn in range(1 + int(lot() * 5)):
            message += 1
            given = words.GIVEN_NAMES[int(lot() * 40)]
            said = _SENTENCES[int(lot() * len(_SENTENCES))]
            body = f"{said}\\nMy number is +1 555 {int(lot() * 10**7):07}, ask for {given}."
            author = "support" if turn % 2 else "person"
            when = _moment(lot(), ticket / world.tickets)
            yield f"{message}\t{ticket}\t{author}\t{body}\t{when}\n"


def _wallet_entries(world: World) -> Iterator[str]:
    lot = world.random("wallets").random
    for person in range(1, world.people + 1):
        if lot() < 0.25:
            for entry in range(1, 2 + int(lot() * 3)):
                memo = _PHRASES[int(lot() * len(_PHRASES))] if lot() < 0.3 else _NULL
                when = _moment(lot(), lot())
                yield f"{person}\t{entry}\t{lot() * 90 - 30:.4f}\tUSD\t{memo}\t{when}\n"


_Rows = Callable[[World], Iterator[str]]

TABLES: dict[str, tuple[str, _Rows]] = {
    "countries": ("code,name,calling_code", _countries),
    "languages": ("code,name", _languages),
    "users": (
        (
            "id,handle,country,language,email,phone,birthday,display_name,bio,avatar_key,settings,"
            "balance,invited_by,created_at"
        ),
        _users,
    ),
    "sounds": ("id,title,artist,duration_ms,created_by", _sounds),
    "videos": (
        (
            "id,author_id,caption,sound_id,object_key,duration_ms,visibility,hashtags,filmed_at,"
            "created_at"
        ),
        _videos,
    ),
    "drafts": ("id,owner_id,title,object_key,edits,updated_at", _drafts),
    "comments": ("id,user_id,video_id,parent_id,body,created_at", _comments),
    "likes": ("user_id,video_id,created_at", _likes),
    "follows": ("follower_id,followed_id,created_at", _follows),
    "direct_messages": (
        "id,sender_id,recipient_id,body,attachment_key,sent_at,read_at",
        _direct_messages,
    ),
    "watch_events": ("user_id,video_id,ms,at", _watch_events),
    "devices": (
        "id,user_id,model,advertising_id,last_latitude,last_longitude,last_ip,push_token,last_seen",
        _devices,
    ),
    "support_tickets": ("id,user_id,subject,closed,opened_at", _support_tickets),
    "ticket_messages": ("id,ticket_id,author,body,sent_at", _ticket_messages),
    "wallet_entries": ("user_id,entry_no,amount,currency,memo,at", _wallet_entries),
}
"""Every table's stored columns and how its rows are made."""


def chunks(world: World, table: str) -> Iterator[tuple[int, bytes]]:
    """A table's rows in COPY's text format, some thousands at a time, with their number."""
    lines = TABLES[table][1](world)
    while block := list(islice(lines, _LINES_PER_CHUNK)):
        yield len(block), "".join(block).encode()
