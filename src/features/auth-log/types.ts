/** Every type of event that tells of somebody who proves, or fails to prove, who they are; in the order of the story. */
export const AUTH_EVENT_TYPES = [
  'registration.started',
  'registration.refused',
  'user.registered',
  'email.verified',
  'email.refused',
  'code.sent',
  'code.refused',
  'login.succeeded',
  'login.refused',
  'account.locked',
  'alert.login_failures',
  'device.new',
  'client.authentication_failed',
  'password.set',
  'password.refused',
  'password_reset.started',
  'password_reset.refused',
  'password_reset.completed',
  'identity.linked',
  'identity.unlinked',
  'identity.refused',
  'upstream_logout.received',
  'upstream_logout.refused',
  'upstream_logout.sent',
  'session.ended',
  'session.refused',
  'access.ended',
] as const;

/** In front of the types that other services report: never one of ours. */
export const EXTERNAL = 'external.';

export const isExternal = (type: string): boolean => type.startsWith(EXTERNAL);
