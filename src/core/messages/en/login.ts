/** The way in and out: sign-in, registration, codes, consent, sign-out. */
export const login = {
  // Methods, when there is a choice
  'method.password': 'Use your password',
  'method.passkey': 'Use a passkey',
  'method.email-otp': 'Email me a code',
  'method.sms-otp': 'Text me a code',
  'method.totp': 'Use your authenticator app',
  'method.recovery-code': 'Use a recovery code',
  'method.magic-link': 'Email me a link',
  'method.external-2fa': 'Use your company’s second factor',

  // Sign in
  'login.title': 'Sign in',
  'login.lead': 'Continue to {client}',
  'login.lead_plain': 'Use your {brand} account',
  'login.submit': 'Sign in',
  'login.forgot': 'Forgot password?',
  'login.register_prompt': 'New here?',
  'login.register': 'Create account',
  'login.refused': 'The name or password is not right. Check both and try again, or reset your password.',
  'login.disabled': 'This account cannot sign in at the moment. Ask your administrator.',
  'login.again': 'Please sign in again to continue.',
  'login.cancel': 'Cancel and go back',

  // Create an account
  'register.title': 'Create your account',
  'register.lead': 'To continue to {client}',
  'register.lead_plain': 'It takes less than a minute',
  'register.submit': 'Create account',
  'register.login_prompt': 'Already have an account?',
  'register.login': 'Sign in',
  'register.closed': 'New accounts cannot be created here. Ask your administrator for an invitation.',
  'email.invalid': 'Enter an email address such as name@example.com.',

  // One-time codes
  'code.wrong': 'That code is not right. Check the newest email and try again.',
  'code.expired': 'That code is no longer valid. Ask for a new one.',
  'code.used_up': 'Too many wrong codes. Ask for a new one.',
  'code.resent': 'A new code is on its way.',

  // Prove an address
  'verify.title': 'Check your email',
  'verify.lead': 'Enter the code we sent to {email}',
  'verify.submit': 'Confirm',
  'verify.resend_prompt': 'Nothing arrived? Look in the spam folder, or',
  'verify.resend': 'Send a new code',
  'verify.change': 'Use another address',

  // Forgotten password
  'reset.title': 'Reset your password',
  'reset.lead': 'We will email you a code.',
  'reset.submit': 'Send code',
  'reset.back': 'Back to sign in',
  'reset_code.title': 'Choose a new password',
  'reset_code.lead': 'If {email} has an account, a code is on its way to it.',
  'reset_code.lead_plain': 'Enter the code from the email we sent you.',
  'reset_code.submit': 'Save new password',
  'reset_code.done': 'Your password has been changed.',

  // Forced change
  'change.title': 'Choose a new password',
  'change.lead': 'Your password has to be changed before you continue.',
  'change.submit': 'Save and continue',

  // Consent
  'consent.title': '{client} asks for access',
  'consent.lead': 'Check what it may see and do with your account.',
  'consent.to_account': 'About you',
  'consent.to_resource': 'In {resource}',
  'consent.how_long': 'For how long',
  'consent.session_only': 'Until you sign out.',
  'consent.offline': 'Also while you are not there, until you take it back.',
  'consent.take_back': 'You can take this back at any time on your account page.',
  'consent.allow': 'Allow',
  'consent.deny': 'Deny',
  'consent.unverified': 'Not verified. Continue only if you know {client}.',
  'consent.goes_to': 'Afterwards you go to {host}.',
  'scope.openid': 'Recognise you when you come back',
  'scope.profile': 'See your name and profile',
  'scope.email': 'See your email address',
  'scope.phone': 'See your phone number',
  'scope.name': 'See your name',
  'scope.given_name': 'See your given name',
  'scope.family_name': 'See your family name',
  'scope.preferred_username': 'See your user name',
  'scope.locale': 'See your language',
  'scope.updated_at': 'See when your profile was last changed',
  'scope.email_verified': 'See whether your email address is confirmed',
  'scope.phone_number': 'See your phone number',
  'scope.phone_number_verified': 'See whether your phone number is confirmed',
  'scope.address': 'See your postal address',
  'scope.account': 'See and change your account settings',
  'scope.offline_access': 'Keep this access while you are not there',
  'scope.tenant': 'See which organisation you act for',
  'scope.roles': 'See your roles',
  'scope.groups': 'See your groups',

  // Choose an account
  'select.title': 'Choose an account',
  'select.lead': 'To continue to {client}',
  'select.lead_plain': 'To continue',
  'select.continue_as': 'Continue as {name}',
  'select.other': 'Use another account',

  // Choose an organisation
  'tenant.title': 'Choose an organisation',
  'tenant.lead': 'For what you do in {client}',
  'tenant.submit': 'Continue',

  // Sign out
  'logout.title': 'Sign out?',
  'logout.lead': 'You will be signed out of {brand} and of applications that follow it.',
  'logout.lead_client': '{client} asks to sign you out.',
  'logout.submit': 'Sign out',
  'logout.stay': 'Stay signed in',
  'logged_out.title': 'You are signed out',
  'logged_out.lead': 'You can close this window now.',
  'logged_out.again': 'Sign in again',
} as const;
