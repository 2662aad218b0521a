"""A participant in a browser."""

from playwright.sync_api import expect

OPEN = '#trial:visible[data-turn="{}"] [data-choice="a"]:enabled'


class Visitor:
    """A participant at a page."""

    def __init__(self, context, address, *, study, participant=0):
        self.page, self.study, self.participant = context.new_page(), study, study.participants[participant]
        self.complaints = []
        self.page.on('pageerror', lambda error: self.complaints.append(str(error)))
        self.page.goto(address)

    @property
    def num_turns(self):
        return len(self.participant.turns)

    def comparison(self, turn):
        return self.study.comparisons[self.participant.turns[turn].comparison]

    def agree(self):
        self.page.locator('#agree').click()

    def wait_for(self, turn):
        self.page.wait_for_selector(OPEN.format(turn), timeout=60_000)

    def first_side(self, turn):
        return 'b' if self.participant.turns[turn].swapped else 'a'

    def answer(self, turn, choice):
        """Look at both pictures, and answer by a key."""
        if self.comparison(turn).mode == 'toggle':
            self.page.keyboard.press(' ')
        self.page.keyboard.press({'a': '1', 'b': '2'}[choice])

    def go_on(self, turn, choice='a'):
        self.wait_for(turn)
        self.answer(turn, choice)

    def expect_end(self):
        expect(self.page.locator('#end')).to_be_visible(timeout=30_000)
