/** Pages that say what went wrong. */
export const errors = {
  // Things that go wrong
  'error.title': 'Something went wrong',
  'error.explanation': 'This is our fault, not yours. Try again; if it happens again, tell support the reference below.',
  'error.not_found': 'There is no such page',
  'error.not_found_explanation': 'The address may be mistyped, or the page has moved.',
  'error.forbidden': 'You may not open this page',
  'error.forbidden_explanation': 'Your account lacks the right for it. Ask an administrator.',
  'error.request': 'This request cannot be answered',
  'error.request_explanation':
    'The application sent a request that is not valid. Go back and try again, or tell its makers what stands below.',
  'error.csrf': 'This page was open for too long',
  'error.csrf_explanation': 'For your safety nothing was changed. Go back, reload the page and try again.',
  'error.unavailable': 'We are busy',
  'error.unavailable_explanation': 'The service cannot answer right now. Try again in a moment.',
  'error.details': 'For the makers of the application',
  'expired.title': 'This page is no longer valid',
  'expired.lead': 'It was open for too long, or was finished in another window. Nothing is lost: start again.',
  'expired.no_start': 'Go back to the application you came from and start again there.',
  'limit.title': 'Too many attempts',
  'limit.exceeded': 'Too many attempts.',
  'limit.lead': 'To protect this account we take a short break.',
  'limit.when': 'Try again {when}.',
  'limit.now': 'You can try again now.',
  'misdirected.title': 'This server answers to another address',
  'misdirected.use': 'You asked for {host}, but it is reachable at:',
  'misdirected.setting': 'If you run this server and {host} is right, set {setting} to it and restart.',
} as const;
