from __future__ import annotations

import pytest

CHARTER = """\
[company]
name = "Reel"

[boundaries.us]
members = ["US", "PR"]
custodian = "US Data Security"
provider = "Oracle"
home = ["home_db", "home_media"]

[people]
table = "users"
key = ["id"]
country = "country"

[sites.home_db]
kind = "postgres"
country = "US"
provider = "Oracle"
url = "postgresql://home.example/reel?sslmode=verify-full"

[sites.home_media]
kind = "objects"
country = "US"
provider = "oracle"
url = "file:home"

[sites.old_db]
kind = "postgres"
country = "US"
provider = "Reel"
url = "postgresql://app@old.example:6432/reel?sslmode=verify-full"
password_env = "OLD_PASSWORD"

[sites.old_media]
kind = "objects"
country = "SG"
provider = "Reel"
role = "backup"
url = "s3://media"
endpoint = "https://s3.old.example"
access_key_env = "OLD_KEY"
secret_key_env = "OLD_SECRET"

[tables.messages]
table = "messages"
person = ["sender_id", "tenant,recipient"]
persons = "any"

[objects.videos]
template = "videos/{person}/{file...}"
"""


@pytest.fixture
def text() -> str:
    """A charter with nothing wrong in it and nothing doubtful."""
    return CHARTER
