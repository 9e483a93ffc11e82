/** Attacks on sign-in, accounts, pages and mails (groups B, C, D, H, I and K), each by its number: where it is proven to fail. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

/** How many of each group there are; numbers that no attack on us has are left out. */
const NUMBERS: Readonly<Record<string, readonly number[]>> = {
  B: [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15],
  C: [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25],
  D: [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18],
  H: [1, 2, 3, 5, 6],
  I: [1, 2, 3, 5, 6, 7, 9, 10, 11],
  K: [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14],
};

/** The file, and words of the test's name. */
const PROVEN: readonly (readonly [attack: string, file: string, words: string])[] = [
  ['B1', 'login/social/sign-in.spec.ts', 'B1 gives nothing to who registered an address before its owner came'],
  ['B2', 'login/social/sign-in.spec.ts', 'B2 never links by an address that the provider has not proven'],
  ['B3', 'login/social/sign-in.spec.ts', 'B3 links the one that came last, where another came half way'],
  ['B5', 'login/social/direct.spec.ts', 'B5 people link and unlink by the API, with a sign-in that is fresh'],
  ['B5', 'attacks/weak-sessions.spec.ts', 'C11, B5: a sign-in of before there was a second factor changes nothing'],
  ['B5', 'attacks/subjects.spec.ts', 'B5: nobody links or lists identities of somebody else'],
  ['B6', 'login/social/sign-in.spec.ts', 'B6 takes an answer in the browser that asked, and in no other'],
  ['B6', 'account/identities.spec.ts', 'B6 takes an answer in the session that began, once'],
  ['B7', 'login/social/direct.spec.ts', 'B7 a tenant’s provider opens no account of another tenant’s'],
  ['B7', 'features/connections/connections.spec.ts', 'B7 may not be called as another kind'],
  ['B7', 'attacks/subjects.spec.ts', 'B7: a connection takes no name of another in its tenant'],
  ['B9', 'login/social/sign-in.spec.ts', 'says why in the audit log, and shows a page, for whatever a hostile provider sends'],
  ['B10', 'login/social/sign-in.spec.ts', 'B10 takes the answer of the provider that was asked'],
  ['B11', 'login/social/direct.spec.ts', 'B11 an address leads to the provider of exactly its domain'],
  ['B11', 'login/social/direct.spec.ts', 'by an address of its domain also where nobody registers'],
  ['B13', 'login/social/sign-in.spec.ts', 'B13 asks for the second factor of the account that is linked'],
  ['B14', 'attacks/subjects.spec.ts', 'B14: a subject is taken whole'],
  ['B14', 'attacks/subjects.spec.ts', 'B14: an address is taken whole'],
  ['B15', 'login/social/sign-in.spec.ts', 'B15 takes no state but the one of this sign-in'],
  ['C1', 'attacks/direct-doors.spec.ts', 'C1: wrong codes count together'],
  ['C1', 'login/second-factor.spec.ts', 'by the API: five tries with the pages, one use, and of nobody else'],
  ['C2', 'login/code-methods.spec.ts', 'signs in by the API, once of twenty'],
  ['C3', 'login/code-methods.spec.ts', 'evaluates five of fifty wrong ones'],
  ['C5', 'login/totp.spec.ts', 'C5: takes each code once, at the next sign-in too'],
  ['C6', 'login/code-methods.spec.ts', 'takes neither shortened, padded, wide nor expired codes'],
  ['C6', 'attacks/direct-doors.spec.ts', 'C6: no part of a code of the app'],
  ['C7', 'login/second-factor.spec.ts', 'C7: is asked of who has one, though nobody requires it'],
  ['C7', 'login/social/sign-in.spec.ts', 'C7 asks for the second factor that somebody has'],
  ['C7', 'attacks/direct-doors.spec.ts', 'C7, C9: whatever somebody with an authenticator app comes by first'],
  ['C9', 'login/second-factor.spec.ts', 'C9: is asked whatever came first'],
  ['C9', 'attacks/direct-doors.spec.ts', 'C9: the mailbox that came first is not the second factor too'],
  ['C10', 'login/second-factor.spec.ts', 'C10, C15: is not passed by posting nothing'],
  ['C10', 'attacks/direct-doors.spec.ts', 'C10, C15: a sign-in that waits for the app is not passed by nothing'],
  ['C11', 'account/factors.spec.ts', 'C11: change nothing with a password alone'],
  ['C11', 'attacks/weak-sessions.spec.ts', 'C11: an address that was changed opens a reset, and no second factor'],
  ['C13', 'login/second-factor.spec.ts', 'C13: is not passed by a reset'],
  ['C13', 'attacks/direct-doors.spec.ts', 'C13: a reset is not finished without its code'],
  ['C14', 'attacks/weak-sessions.spec.ts', 'C14: an enrolment that somebody began is worth nothing to another'],
  ['C15', 'login/steps.spec.ts', 'is refused from elsewhere and out of turn, and taken once'],
  ['C17', 'login/code-methods.spec.ts', 'C17: whatever an address header says'],
  ['C18', 'login/second-factor.spec.ts', 'C18: is not replaced by a cookie that somebody made up'],
  ['C19', 'attacks/weak-sessions.spec.ts', 'C14, C19: no route enrols anything for somebody else'],
  ['C21', 'login/recovery.spec.ts', 'C21: of twenty at once with the same one lets one in'],
  ['C21', 'login/recovery.spec.ts', 'C21: let nobody in by any string'],
  ['C22', 'attacks/weak-sessions.spec.ts', 'C22: an account that is held back is so at every door'],
  ['C23', 'login/code-methods.spec.ts', 'C23: a code is for one purpose'],
  ['C23', 'attacks/direct-doors.spec.ts', 'C23: what one app was given is worth nothing in the hands of another'],
  ['C25', 'login/passkey.spec.ts', 'C25: is refused with a wrong origin, relying party, challenge or signature'],
  ['C25', 'account/factors.spec.ts', 'C25: register a passkey by an answer to its own challenge'],
  ['D1', 'attacks/sign-in-pages.spec.ts', 'D1: the cookies of before a sign-in are worth nothing after it'],
  ['D1', 'oidc/races.spec.ts', 'a sign-in changes the id of a session that was there before, and the old one is dead'],
  ['D2', 'attacks/sign-in-pages.spec.ts', 'D2: the address of somebody’s sign-in is worth nothing in another browser'],
  ['D3', 'oidc/browser-side.spec.ts', 'on https with prefixes that pin them to the host'],
  ['D5', 'attacks/tenants-elsewhere.spec.ts', 'D5: who is disabled at home is in nowhere'],
  ['D5', 'oidc/causes-and-doors.spec.ts', "'person disabled'"],
  ['D6', 'login/social/sign-in.spec.ts', 'D6 gives no code for somebody who is disabled'],
  ['D7', 'oidc/causes-and-doors.spec.ts', "'password reset by mail'"],
  ['D9', 'oidc/tenants.spec.ts', 'a role taken away is gone from our API at once'],
  ['D10', 'oidc/unit-of-work-away.spec.ts', 'every endpoint answers 503 with Retry-After'],
  ['D11', 'oidc/introspection.spec.ts', 'a tampered opaque token is none'],
  ['D11', 'oidc/hygiene.spec.ts', 'that are cut short, lengthened or written otherwise are none'],
  ['D13', 'oidc/causes-and-doors.spec.ts', "'session ended by an administrator'"],
  ['D14', 'attacks/sign-in-pages.spec.ts', 'D14: no form of one’s own pages is taken from another site'],
  ['D15', 'account/pages.spec.ts', 'signs out after a question, not by a link'],
  ['D17', 'attacks/sign-in-pages.spec.ts', 'D17: a sign-in that an attacker prepared signs nobody else in'],
  ['D17', 'e2e/walk.spec.ts', 'who is sent to the callback of the demo by somebody else is not signed in'],
  ['D18', 'attacks/weak-sessions.spec.ts', 'D18: after a reset the person sees and drops what an intruder left'],
  ['H1', 'faults/stranger.spec.ts', 'cannot tell by sign-in, registration or reset who has an account'],
  ['H1', 'attacks/weak-sessions.spec.ts', 'H1: what the doors answer tells nobody who has an account'],
  ['H1', 'login/code-methods.spec.ts', 'looks the same for known, unknown and disabled people'],
  ['H1', 'features/users/other-tenants.spec.ts', 'invites every address outside the verified domains, known or not, with the same answer'],
  ['H2', 'login/code-pages.spec.ts', 'is answered alike for unknown and disabled people, who get no code'],
  ['H3', 'infra/password-hash.spec.ts', 'takes as long for an unknown account as for a known one'],
  ['H5', 'login/passkey.spec.ts', 'H5: is asked for alike of everybody'],
  ['H6', 'login/code-pages.spec.ts', 'answers an address that has an account alike, tells its owner by mail'],
  ['I1', 'attacks/sign-in-pages.spec.ts', 'I1, K13: links in mails lead to the issuer whatever a request calls it'],
  ['I1', 'faults/pretence.spec.ts', 'changes neither the links in a mail nor a document by naming another host'],
  ['I2', 'faults/hostile-input.spec.ts', 'in the Host header is 421 or 400'],
  ['I3', 'http/addresses.spec.ts', 'cost nothing however long the header is'],
  ['I5', 'faults/pretence.spec.ts', 'dodges no limit by the spelling of an address, and gains nothing by what is none'],
  ['I6', 'faults/pretence.spec.ts', 'reaches no endpoint by another spelling of its path'],
  ['I7', 'infra/limits.spec.ts', 'count IPv4 as it is and IPv6 by its /64'],
  ['I9', 'oidc/certificates.spec.ts', 'are nobody’s word but a trusted proxy’s, said once'],
  ['I10', 'attacks/tenants-elsewhere.spec.ts', 'I10: address rules hold for tokens and keys'],
  ['I11', 'attacks/sign-in-pages.spec.ts', 'I11: one password for many people is held by the address'],
  ['K1', 'login/mails.spec.ts', 'K1: shows names that somebody chose as text'],
  ['K1', 'features/invitations/invitations.spec.ts', 'K1: name the tenant and whoever invites as text'],
  ['K1', 'faults/stranger.spec.ts', 'gets no markup into a page or a mail'],
  ['K2', 'oidc/browser-side.spec.ts', 'form_post: a page that may post to the client, and nowhere else'],
  ['K3', 'e2e/pages.spec.ts', 'run nothing a stranger wrote'],
  ['K5', 'attacks/sign-in-pages.spec.ts', 'K5: what a request says is text on the page that refuses it'],
  ['K6', 'attacks/sign-in-pages.spec.ts', 'K6: a header that no cache knows of changes no document'],
  ['K7', 'attacks/sign-in-pages.spec.ts', 'K7, K10, K11: no page can be framed'],
  ['K9', 'login/mails.spec.ts', 'K9: keeps the subject one line and adds no header'],
  ['K9', 'faults/pretence.spec.ts', 'writes no line of their own into the log, and no header into an answer'],
  ['K10', 'attacks/sign-in-pages.spec.ts', 'K7, K10, K11: no page can be framed, tells where somebody came from'],
  ['K11', 'attacks/sign-in-pages.spec.ts', 'or is reached from a window that it opened'],
  ['K13', 'login/code-methods.spec.ts', 'a mailed link opens a page that uses nothing up'],
  ['K14', 'attacks/tenants-elsewhere.spec.ts', 'K14: what a tenant calls itself and looks like is text'],
];

describe('attacks on sign-in', () => {
  for (const [attack, file, words] of PROVEN)
    it(`${attack} is tried in ${file}`, async () => {
      const text = await readFile(new URL(`../${file}`, import.meta.url), 'utf8');
      assert.ok(text.includes(words), `${file} has no test named "${words}"`);
    });

  it('each of them is tried somewhere', () => {
    const tried = new Set(PROVEN.map(([attack]) => attack));
    const all = Object.entries(NUMBERS).flatMap(([group, numbers]) => numbers.map((number) => `${group}${number}`));
    assert.deepEqual(
      all.filter((attack) => !tried.has(attack)),
      [],
    );
  });
});
