"""Putting and undoing engagements over HTTP, and what the server answers."""

from .client import Json, Member, done

NOTHING: Json = {
    "counts": {"comments": 0, "likes": 0, "reposts": 0},
    "viewer": {"liked": False, "reposted": False, "bookmarked": False},
    "pinned": False,
}


def engaged(counts: Json | None = None, *, pinned: bool = False, **viewer: bool) -> Json:
    return {
        "counts": NOTHING["counts"] | (counts or {}),
        "viewer": NOTHING["viewer"] | viewer,
        "pinned": pinned,
    }


def puts(member: Member, post: Json, what: str) -> Json:
    return done(member.put(f"/api/v1/posts/{post['id']}/{what}"))


def undoes(member: Member, post: Json, what: str) -> Json:
    return done(member.delete(f"/api/v1/posts/{post['id']}/{what}"))


def ids(items: list[Json]) -> list[str]:
    return [item["id"] for item in items]


def state(post: Json) -> Json:
    return {name: post[name] for name in NOTHING}
