/** The two applications of the demo: two, so that single sign-on can be seen. Third parties on purpose, so that consent is seen too. */
import type { MessageKey } from '../core/messages/catalogue.ts';
import type { NewClient } from '../features/clients/schema.ts';

export interface DemoApp {
  clientId: string;
  clientName: string;
  title: MessageKey;
  /** Where it lives, below the issuer. */
  path: string;
}

export const DEMO_APPS: readonly [DemoApp, DemoApp] = [
  { clientId: 'gatehouse-demo', clientName: 'Demo application', title: 'demo.title', path: '/demo' },
  { clientId: 'gatehouse-demo-2', clientName: 'Second demo application', title: 'demo.title_second', path: '/demo/second' },
];

/** How the demo's applications are registered at `issuer`: public clients, since a demo has nowhere to keep a secret. */
export const demoClients = (issuer: string): NewClient[] =>
  DEMO_APPS.map(({ clientId, clientName, path }) => ({
    client_id: clientId,
    client_name: clientName,
    client_uri: `${issuer}${path}`,
    redirect_uris: [`${issuer}${path}/callback`],
    post_logout_redirect_uris: [`${issuer}${path}`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  }));
