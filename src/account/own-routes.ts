/** The paths of a person's own data, below `/account`. */
import type { Context } from 'koa';
import type { pageRouter } from '../http/page-router.ts';
import { contactCodePage, contactPage, finishContact, startContact } from './contact-pages.ts';
import {
  activityPage,
  agreementPage,
  changeProfile,
  dataPage,
  decideOnAgreement,
  decideOnData,
  decideOnDeletion,
  decideOnDevices,
  deletePage,
  exportPage,
  type OwnPagesDeps,
  profilePage,
} from './own-pages.ts';
import type { Visit } from './visit.ts';

type Visited = (handle: (deps: OwnPagesDeps, visit: Visit) => Promise<void>) => (ctx: Context) => Promise<void>;

export function addOwnPages(router: ReturnType<typeof pageRouter>, visited: Visited): void {
  router
    .get(
      '/account/profile',
      visited((deps, visit) => profilePage(deps, visit)),
    )
    .post('/account/profile', visited(changeProfile))
    .get('/account/activity', visited(activityPage))
    .post('/account/activity', visited(decideOnDevices))
    .get('/account/data', visited(dataPage))
    .post('/account/data', visited(decideOnData))
    .get('/account/export', visited(exportPage))
    .get(
      '/account/delete',
      visited((deps, visit) => deletePage(deps, visit)),
    )
    .post('/account/delete', visited(decideOnDeletion))
    .get('/account/agreements/:id', visited(agreementPage))
    .post('/account/agreements/:id', visited(decideOnAgreement));
  for (const kind of ['email', 'phone'] as const) {
    router
      .get(`/account/${kind}`, visited(contactPage(kind)))
      .post(`/account/${kind}`, visited(startContact(kind)))
      .get(`/account/${kind}/code`, visited(contactCodePage(kind)))
      .post(`/account/${kind}/code`, visited(finishContact(kind)));
  }
}
