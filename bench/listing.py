"""Listing a bucket, every version of it, against obstore's bare list of what is current."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from bench.measure import Ratios, timed
from bench.services import Bucket, Missing, Rgw
from domicile.sites.objects.s3 import S3Site
from domicile.sites.objects.s3_connection import Bucket as Place

__all__ = ["FOLDERS", "KEYS", "Listing", "compare", "measure"]

KEYS = 120_000
FOLDERS = 100


@dataclass
class Listing:
    """Our speed over obstore's, and the most memory that a process held which lists it once. load:
    how many processes waited for a processor meanwhile, for each that there is."""

    keys: int = KEYS
    speed: Ratios = field(default_factory=Ratios)
    peak_mib: int = 0
    load: float = 0
    version: str = ""


def measure(server: Rgw, pairs: int) -> Listing:
    """Fill a bucket and list it in turns. Raises `Missing`."""
    if find_spec("obstore") is None:
        raise Missing("not installed: obstore; `pip install obstore` brings it")
    bucket = server.bucket()
    _fill(server, bucket)
    found = compare(bucket, pairs)
    server.remove(bucket)
    return found


def compare(bucket: Bucket, pairs: int, keys: int = KEYS) -> Listing:
    """List a bucket of so many keys in turns."""
    found = Listing(keys, version=str(import_module("obstore").__version__))
    _ours(bucket, keys), _theirs(bucket, keys)  # connections and caches
    for _ in range(pairs):
        theirs, ours = _theirs(bucket, keys), _ours(bucket, keys)
        found.speed.add(theirs, ours)
        print(f"  listing: {found.speed.values[-1]:.2f}", flush=True)
    once = [sys.executable, "-m", "bench.listing", bucket.endpoint, bucket.name, str(keys)]
    found.peak_mib = timed(once, {}, memory=True).peak_mib
    found.load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return found


def _fill(server: Rgw, bucket: Bucket) -> None:
    """Half of the keys in numbered folders, half flat, by their hashes."""

    def put(number: int) -> None:
        name = hashlib.sha256(b"%d" % number).hexdigest()
        key = f"media/{number % FOLDERS}/{number:06}.bin" if number % 2 else f"flat/{name}"
        server.client.put_object(Bucket=bucket.name, Key=key, Body=b"x")

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(put, range(KEYS)):
            pass


def _ours(bucket: Bucket, keys: int) -> float:
    place = Place(
        "bench", bucket.name, bucket.endpoint, "us-east-1", Rgw.ACCESS_KEY, Rgw.SECRET_KEY, 60
    )
    site = S3Site(place)
    site.check(write=False)
    begun = time.perf_counter()
    listed = sum(len(page) for page in site.versions())
    seconds = time.perf_counter() - begun
    site.close()
    return _all(listed, keys, seconds)


def _theirs(bucket: Bucket, keys: int) -> float:
    store = import_module("obstore.store").S3Store(
        bucket.name,
        endpoint=bucket.endpoint,
        access_key_id=Rgw.ACCESS_KEY,
        secret_access_key=Rgw.SECRET_KEY,
        region="us-east-1",
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )
    begun = time.perf_counter()
    listed = sum(len(page) for page in store.list(chunk_size=1000))
    return _all(listed, keys, time.perf_counter() - begun)


def _all(listed: int, keys: int, seconds: float) -> float:
    if listed != keys:
        raise RuntimeError(f"{listed:,} of {keys:,} keys were listed")
    return seconds


if __name__ == "__main__":
    _ours(Bucket(sys.argv[1], sys.argv[2]), int(sys.argv[3]))
