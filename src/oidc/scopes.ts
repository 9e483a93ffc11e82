/** The scopes of OpenID Connect that are understood (Core sections 5.4 and 11), and three of ours for claims; every other scope is an API's. */
export const OIDC_SCOPES: readonly string[] = ['openid', 'offline_access', 'profile', 'email', 'phone', 'roles', 'groups', 'tenant'];
