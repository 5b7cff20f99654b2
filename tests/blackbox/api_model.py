"""A reference model of the API: people, sessions and posts in dictionaries.

An `Action` is a request whose people, sessions and posts are labels. The model returns the verdict that a server in any
shape must return. It has no ids, no clock and no store. `api_runner.py` sends the same actions over HTTP.
"""

from .api_state import (
    ENGAGEMENTS,
    MAX_PINS,
    OPEN,
    WIDTH,
    Action,
    ApiState,
    Person,
    Post,
    Refusal,
    Session,
    Verdict,
    text_of,
)
from .client import Json


class ApiModel(ApiState):
    def expect(self, action: Action) -> Verdict | None:
        """The verdict. Applies the changes of the action. None for an action on something that was never made, which
        happens while a failure is minimised."""
        known = {None, *self.people, *self.sessions, *self.posts}
        named = {
            action.by,
            action.on,
            action.how.get("probe"),
            *action.how.get("mentions", ()),
            *action.how.get("posts", ()),
        }
        if not named <= known:
            return None
        try:
            verdict: Verdict = getattr(self, action.kind)(action)
        except Refusal as refusal:
            return refusal.verdict
        return verdict

    # --- Accounts and sessions --------------------------------------------------------------------

    def register(self, action: Action) -> Verdict:
        """Usernames are unique, whatever their letter case."""
        if action.on is not None:  # the username of an existing person
            raise Refusal(409, "username_taken")
        person = Person(f"p{action.number}", display_name=action.how.get("display_name", ""))
        self.people[person.label] = person
        self.sessions[f"s{action.number}"] = Session(f"s{action.number}", person)
        return 201, {"user": self.profile_view(person), "tokens": {"token_type": "Bearer"}}

    def log_in(self, action: Action) -> Verdict:
        person = self.people[str(action.on)]
        if person.gone or not action.how["right"]:
            raise Refusal(401, "wrong_credentials")
        self.sessions[f"s{action.number}"] = Session(f"s{action.number}", person)
        return 200, {"user": {"id": person.label}}

    def log_out(self, action: Action) -> Verdict:
        self.member(action)
        self.sessions[str(action.by)].alive = False
        return 204, {}

    def end_sessions(self, action: Action) -> Verdict:
        person = self.member(action)
        for session in self.sessions.values():
            if session.person is person and not (action.how["keep_current"] and session.label == action.by):
                session.alive = False
        return 204, {}

    def read_sessions(self, action: Action) -> Verdict:
        """The sessions that have not ended, newest first."""
        person = self.member(action)
        mine = [one for one in self.sessions.values() if one.person is person and one.alive]
        return 200, [{"current": one.label == action.by} for one in reversed(mine)]

    def refresh(self, action: Action) -> Verdict:
        session = self.sessions[str(action.on)]
        if not session.alive:
            raise Refusal(401, "session_ended")
        session.generation += 1
        return 200, {"token_type": "Bearer"}

    def read_me(self, action: Action) -> Verdict:
        return 200, self.profile_view(self.member(action))

    def edit_me(self, action: Action) -> Verdict:
        person = self.member(action)
        if action.how["tag"] == "first" and person.version > 1:
            raise Refusal(412, "precondition_failed")
        bio = action.how["bio"]
        if bio != person.bio:  # an edit that changes nothing changes nothing
            person.bio, person.version = bio, person.version + 1
        return 200, {"id": person.label, "bio": bio}

    def make_private(self, action: Action) -> Verdict:
        """Hides the posts of the account from others, or shows them again."""
        person = self.member(action)
        if action.how["private"] != person.private:
            person.private, person.version = action.how["private"], person.version + 1
        return 200, {"id": person.label, "private": person.private}

    def leave(self, action: Action) -> Verdict:
        """Deletes the account for good, with everything that belonged to it. The username stays reserved."""
        person = self.member(action)
        if not action.how["sure"]:
            raise Refusal(409, "confirmation_needed")
        person.gone = True
        for session in self.sessions.values():
            session.alive = session.alive and session.person is not person
        for post in self.posts.values():
            if post.author is person:
                self.delete(post)
            post.mentioned.discard(person.label)
            mentions = [one for one in post.first["mentions"] if one["id"] != person.label]
            post.first = post.first | {"mentions": mentions}
            for engagement in ENGAGEMENTS:
                post.engagements[engagement].pop(person.label, None)
        return 204, {}

    def profile(self, action: Action) -> Verdict:
        self.viewer(action)
        return 200, self.profile_view(self.existing(action))

    def existing(self, action: Action) -> Person:
        person = self.people[str(action.on)]
        if person.gone:
            raise Refusal(404, "user_not_found")
        return person

    # --- Posts ------------------------------------------------------------------------------------

    def publish(self, action: Action) -> Verdict:
        """An answer is visible to the people who see the post above, or to fewer. A direct thread keeps its people. Any
        other answer that not everybody may see reaches the author of the post above."""
        author = self.member(action)
        above = self.visible_post(action, author) if action.on else None
        named = self.mentioned_in(action)
        visibility = action.how["visibility"] or (above.visibility if above else "public")
        if above is not None:
            if WIDTH[visibility] > WIDTH[above.visibility]:
                raise Refusal(409, "wider_than_thread")
            if above.visibility == "direct":
                named = (above.mentioned | {above.author.label}) - {author.label}
            elif visibility not in OPEN or author.private:
                named |= {above.author.label} - {author.label}
        if visibility == "direct" and named <= {author.label}:
            raise Refusal(422, "nobody_reached")
        post = Post(
            label=f"post{action.number}",
            author=author,
            text=text_of(action),
            visibility=visibility,
            content_warning=action.how.get("content_warning", ""),
            language=action.how.get("language"),
            mentioned=named,
            above=above,
        )
        self.posts[post.label] = post
        self.add_version(post)
        post.first = self.view(post, author)
        return 201, post.first

    comment = publish

    def mentioned_in(self, action: Action) -> set[str]:
        """The people that a text names, those whose accounts exist."""
        return {name for name in action.how["mentions"] if not self.people[name].gone}

    def add_version(self, post: Post) -> None:
        words = {"text": post.text, "content_warning": post.content_warning, "language": post.language}
        post.versions.append({"version": len(post.versions) + 1, **words})

    def edit(self, action: Action) -> Verdict:
        """Changes the text. A direct post keeps the people that it has reached; otherwise the new text decides."""
        person = self.member(action)
        post = self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        if action.how["tag"] == "first" and len(post.versions) > 1:
            raise Refusal(412, "precondition_failed")
        if (text := text_of(action)) != post.text:  # an edit that changes nothing changes nothing
            post.text = text
            reached = post.mentioned - {person.label} or (post.above and post.above.visibility == "direct")
            if post.visibility != "direct" or not reached:
                # a deleted account is not mentioned again
                answered = (
                    (post.mentioned & {post.above.author.label}) - {person.label} if post.above else set()
                )
                narrow = post.visibility not in OPEN or self.withheld(post)
                post.mentioned = self.mentioned_in(action) | (answered if narrow else set())
            self.add_version(post)
        return 200, self.view(post, person)

    def history(self, action: Action) -> Verdict:
        """All versions, oldest first, for everybody who can see the post."""
        return 200, list(self.visible_post(action, self.viewer(action)).versions)

    def publish_again(self, action: Action) -> Verdict:
        """The same request with the same key: the first answer again, unless the post was deleted."""
        post = self.posts[str(action.on)]
        if self.member(action) is not post.author:
            raise Refusal(0, "only the author can send it again")
        if post.deleted:
            raise Refusal(404, "post_not_found")
        return 201, post.first

    def remove(self, action: Action) -> Verdict:
        """For good. Safe to repeat."""
        person, post = self.member(action), self.posts[str(action.on)]
        if not (post.deleted and post.author is person):
            self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        self.delete(post)
        return 204, {}

    def delete(self, post: Post) -> None:
        post.was_withheld = self.withheld(post)
        post.deleted = True

    def engage(self, action: Action) -> Verdict:
        """At most once each. Repeating it changes nothing, not even the order of the lists."""
        person = self.member(action)
        post, engagement = self.visible_post(action, person), action.how["what"]
        if engagement == "repost" and (post.visibility not in OPEN or post.author.private):
            raise Refusal(409, "cannot_repost")
        post.engagements[engagement].setdefault(person.label, action.number)
        return self.summary(post, person)

    def disengage(self, action: Action) -> Verdict:
        """One's own engagement can be removed even if the post has become invisible. Then the answer has counts only if
        everybody may see them."""
        person = self.member(action)
        post, engagement = self.posts[str(action.on)], action.how["what"]
        if not self.can_see(person, post):
            if person.label in post.engagements[engagement]:
                post.disengaged_unseen.add((engagement, person.label))
            if (engagement, person.label) not in post.disengaged_unseen:
                raise Refusal(404, "post_not_found")
        post.engagements[engagement].pop(person.label, None)
        status, reception = self.summary(post, person)
        if not (self.can_see(person, post) or self.can_see(None, post)):
            reception |= {"counts": {"comments": 0, "likes": 0, "reposts": 0}, "pinned": False}
        return status, reception

    def pin(self, action: Action) -> Verdict:
        """One's own open posts that are not comments, up to MAX_PINS."""
        person = self.member(action)
        post = self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        if post.above is not None or post.visibility not in OPEN:
            raise Refusal(409, "cannot_pin")
        if post.pin is None:
            if len(self.pinned(person)) >= MAX_PINS:
                raise Refusal(409, "too_many_pins")
            post.pin = action.number
        return self.summary(post, person)

    def unpin(self, action: Action) -> Verdict:
        person = self.member(action)
        post = self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        post.pin = None
        return self.summary(post, person)

    def pinned(self, author: Person) -> list[Post]:
        return [
            post
            for post in self.posts.values()
            if post.author is author and post.pin is not None and not post.deleted
        ]

    def read(self, action: Action) -> Verdict:
        viewer = self.viewer(action)
        return 200, self.view(self.visible_post(action, viewer), viewer)

    def batch(self, action: Action) -> Verdict:
        """In the order of the ids, each once. Posts that the viewer may not see are left out."""
        viewer = self.viewer(action)
        asked = [self.posts[label] for label in dict.fromkeys(action.how["posts"])]
        return 200, {"items": [self.view(post, viewer) for post in asked if self.can_see(viewer, post)]}

    def context(self, action: Action) -> Verdict:
        """The posts above, the first one of the thread first."""
        viewer = self.viewer(action)
        above, ancestors = self.visible_post(action, viewer).above, list[Json]()
        while above is not None:
            shown = self.view(above, viewer) if self.can_see(viewer, above) else self.tombstone(above)
            ancestors.insert(0, shown)
            above = above.above
        return 200, {"ancestors": ancestors}

    def comments(self, action: Action) -> Verdict:
        """Direct answers, oldest first."""
        viewer, post = self.viewer(action), self.posts[str(action.on)]
        if not (post.deleted and self.keeps_place(post)):
            self.visible_post(action, viewer)
        listed: list[Json] = []
        for one in self.answers(post):
            if one.deleted and self.keeps_place(one):
                listed.append(self.tombstone(one))
            elif self.can_see(viewer, one):
                listed.append(self.view(one, viewer))
        return 200, listed

    def posts_of(self, action: Action) -> Verdict:
        """Newest first, without comments."""
        viewer = self.viewer(action)
        author = self.existing(action)
        mine = [post for post in self.posts.values() if post.author is author and post.above is None]
        return 200, [self.view(post, viewer) for post in reversed(mine) if self.can_see(viewer, post)]

    def pinned_posts_of(self, action: Action) -> Verdict:
        """The last pinned post first."""
        viewer = self.viewer(action)
        pinned = sorted(self.pinned(self.existing(action)), key=lambda post: -(post.pin or 0))
        return 200, [self.view(post, viewer) for post in pinned if self.can_see(viewer, post)]

    def engaged_users(self, action: Action) -> Verdict:
        """The people who like or repost a post, the last one first."""
        engagements = self.visible_post(action, self.viewer(action)).engagements[action.how["what"]]
        return 200, [
            {"id": who, "username": who} for who in sorted(engagements, key=lambda who: -engagements[who])
        ]

    def engaged_posts(self, action: Action) -> Verdict:
        """One's own likes or bookmarks, the last one first, without posts that one may no longer see."""
        person, engagement = self.member(action), action.how["what"]
        mine = [post for post in self.posts.values() if person.label in post.engagements[engagement]]
        mine.sort(key=lambda post: -post.engagements[engagement][person.label])
        return 200, [self.view(post, person) for post in mine if self.can_see(person, post)]
