/** The demo application and the development mailbox. */
export const development = {
  // Demo relying party
  'demo.title': 'Demo application',
  'demo.lead': 'A small relying party that signs in with {brand}, for trying things out.',
  'demo.sign_in': 'Sign in with {brand}',
  'demo.sign_out': 'Sign out',
  'demo.signed_in': 'Signed in as {name}',
  'demo.claims': 'Claims about you',
  'demo.tokens': 'Tokens',
  'demo.userinfo': 'From the userinfo endpoint',
  'demo.claim': 'Claim',
  'demo.value': 'Value',
  'demo.token': 'Token',
  'demo.refresh': 'Renew tokens',
  'demo.title_second': 'Second demo application',
  'demo.call_userinfo': 'Call userinfo',
  'demo.single_sign_on': 'See single sign-on:',
  'demo.ended': 'Your session has ended. Sign in again.',
  'demo.renewed': 'The tokens have been renewed.',
  'demo.refused': 'You are not signed in: the answer was {error}.',
  'demo.expired': 'This sign-in was not begun here, or too long ago. Begin it again.',

  // Development mailbox
  'mailbox.title': 'Development mailbox',
  'mailbox.lead': 'Mails and texts end here while no mail server is set. Newest first.',
  'mailbox.empty': 'Nothing yet. Mails and texts appear here as soon as they are sent.',
  'mailbox.to': 'To',
  'mailbox.code': 'Code',
  'mailbox.reload': 'Reload',
  'mailbox.html': 'HTML source',
  'mailbox.email': 'Mail',
  'mailbox.sms': 'Text',
} as const;
