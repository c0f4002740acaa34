/** What the strip along the foot of the stage says. */
export const RETRYING = "No connection to the server. Trying again …";
export const UNSAVED = "Your last answers are not saved yet. Trying again … Please keep this page open.";
export const MEMORY = "This browser keeps nothing for this site: please keep this page open until it says Saved.";

/** What lies over the course when it cannot go on: {heading, text}. */
export const TAKEN_OVER = {
  heading: "This course was opened in another window",
  text: "To keep your progress safe, it can be worked on in one window at a time.",
};
export const GONE = {
  heading: "This link is not valid any more",
  text: "It has expired, or the course was removed. Please open the course again from where you found it.",
};
export const STUCK = {
  heading: "Your last answers are not saved yet",
  text: "They are being sent again and again. Please keep this page open if you can.",
};
export const LEFT = {
  heading: "You left before everything was saved",
  text: "Open the course again in this browser, so that what it has kept can be saved.",
};
export const BROKEN = {
  heading: "Something went wrong",
  text: "The course could not be shown. What you have done so far is kept.",
};
