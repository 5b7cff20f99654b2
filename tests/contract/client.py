"""A client in Python, with the types that openapi-python-client makes. Checked by mypy only."""

from io import BytesIO

from waggle_api.api.media import upload_media
from waggle_api.api.posts import create_post
from waggle_api.api.search import search_content
from waggle_api.client import AuthenticatedClient
from waggle_api.models.create_post_problem import CreatePostProblem
from waggle_api.models.found_page import FoundPage
from waggle_api.models.found_user import FoundUser
from waggle_api.models.hashtag import Hashtag
from waggle_api.models.own_media import OwnMedia
from waggle_api.models.post import Post
from waggle_api.models.post_in import PostIn
from waggle_api.models.register_in import RegisterIn
from waggle_api.models.upload_media_body import UploadMediaBody
from waggle_api.types import File

REGISTRATION = RegisterIn(username="maya", email="maya@example.org", password="…")


def publish(client: AuthenticatedClient) -> str:
    answer = create_post.sync(client=client, body=PostIn(text="hello"))
    if isinstance(answer, Post):
        return answer.id
    if isinstance(answer, CreatePostProblem):
        return f"{answer.code}: {answer.detail}"
    return "nothing"


def upload(client: AuthenticatedClient) -> str:
    body = UploadMediaBody(file=File(payload=BytesIO(b"\x89PNG"), file_name="bee.png", mime_type="image/png"))
    answer = upload_media.sync(client=client, body=body)
    return answer.id if isinstance(answer, OwnMedia) else "refused"


def search(client: AuthenticatedClient) -> list[str]:
    answer = search_content.sync(client=client, q="bee")
    return [_name(one) for one in answer.items] if isinstance(answer, FoundPage) else []


def _name(one: Post | FoundUser | Hashtag) -> str:
    match one:
        case Post():
            return one.text
        case FoundUser():
            return one.username
        case Hashtag():
            return one.tag
