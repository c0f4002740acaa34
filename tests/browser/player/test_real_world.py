"""What courses of well-known tools do, imitated: the tests are named after what went, or could have gone, wrong."""

from playwright.sync_api import BrowserContext, Dialog, expect

from tests.browser.player.learners import Customer, Player, found
from tests.factories.courses import course, sco

NUMERIC = {
    "cmi.interactions.0.id": "playing_3",
    "cmi.interactions.0.type": "numeric",
    "cmi.interactions.0.learner_response": "18",
    "cmi.interactions.0.correct_responses.0.pattern": "18",
    "cmi.interactions.0.result": "correct",
}
# Asks before it resumes, and tells of the end in both of the last events, of which browsers may skip the first.
BOOKMARKS = """
const left = bare("GetValue", "cmi.core.lesson_location");
window.sco.resumed = left !== "" && confirm("Go on where you left off?") ? left : "0";
let over = false;
const leave = () => {
  if (over) return;
  over = true;
  window.sco.set({"cmi.core.session_time": "00:00:05", "cmi.core.exit": "suspend"});
  bare("Terminate", "");
};
window.addEventListener("beforeunload", leave);
window.addEventListener("unload", leave);
"""


def test_the_right_answer_of_a_numeric_question_may_be_one_number(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.set(NUMERIC)
    player.exit()
    seat.until(data=NUMERIC)


def test_a_course_that_asks_by_a_dialog_resumes_where_the_tab_was_closed(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("1.2", page=sco(script=BOOKMARKS)))
    first = Player.open(context, seat.url)
    first.set({"cmi.core.lesson_location": "6"})
    first.page.close(run_before_unload=True)
    seat.until(data={"cmi.core.lesson_location": "6", "cmi.core.exit": "suspend"}, time_spent_seconds=5)

    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    context.on("dialog", agree)
    second = Player.open(context, seat.url)
    resumed = found(second.page, lambda: second.sco().evaluate("window.sco.resumed"))
    assert (resumed, asked) == ("6", ["Go on where you left off?"])


def test_a_long_table_of_contents_shows_where_the_learner_resumes(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2", scos=40))
    first = Player.open(context, seat.url)
    first.sco("Lesson 1")
    first.page.locator("#tree button").last.click()
    first.sco("Lesson 40")
    first.page.close()

    second = Player.open(context, seat.url)
    second.sco("Lesson 40")
    expect(second.page.locator("#tree [aria-current]")).to_be_in_viewport()
