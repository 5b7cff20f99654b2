// What a client in TypeScript may rely on, with the types that openapi-typescript makes by its defaults. Compiled only.
import type { components, operations } from "./openapi.js";

type Schema = components["schemas"];

// A member with a default may be left out.
export const registration: Schema["RegisterIn"] = { username: "maya", email: "maya@example.org", password: "…" };
export const post: Schema["PostIn"] = { text: "hello" };
export const upload: Schema["BeginUploadIn"] = { type: "image/png", bytes: 100 };
export const first: operations["getHomeFeed"]["parameters"]["query"] = {};

// A union is narrowed by its discriminator.
export function found(one: Schema["Found"]): string {
  switch (one.type) {
    case "post":
      return one.text;
    case "user":
      return one.display_name;
    case "hashtag":
      return one.tag;
  }
}

export function place(one: Schema["PlaceOfPost"]): string {
  return one.type === "tombstone" ? "gone" : one.text;
}

export function told(answer: Schema["NotificationsOrNews"]): number {
  switch (answer.view) {
    case "list":
      return answer.items.filter((one) => one.read).length;
    case "groups":
      return answer.items.reduce((sum, group) => sum + group.count, 0);
    case "news":
      return answer.items.filter((event) => event.type === "read" && event.data.seq > 0).length;
  }
}

// The codes of an operation are known.
export function explain(problem: Schema["FollowUserProblem"]): string {
  switch (problem.code) {
    case "user_not_found":
    case "blocked":
      return problem.detail;
    case "too_many_follows":
      return "unfollow somebody first";
    default:
      return problem.errors?.map((fault) => fault.pointer).join() ?? problem.title;
  }
}

// @ts-expect-error - no such code
export const wrong: Schema["FollowUserProblem"]["code"] = "cannot_pin";
// @ts-expect-error - a member that is needed
export const incomplete: Schema["RegisterIn"] = { username: "maya", email: "maya@example.org" };
