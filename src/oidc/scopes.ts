/** The scopes of OpenID Connect that are understood (Core sections 5.4 and 11); every other scope is an API's. */
export const OIDC_SCOPES: readonly string[] = ['openid', 'offline_access', 'profile', 'email', 'phone'];
