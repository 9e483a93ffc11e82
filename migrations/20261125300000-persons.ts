/**
 * Notices in the reader's language, and what others did about somebody in that person's own activity: events that tell of several people, and what
 * somebody did about others, have no `person_id` of theirs. Both indexes hold such events alone.
 */
import type { Knex } from 'knex';

const HEAD = `language sql stable security definer set search_path = public, pg_temp`;
const AGREEMENTS = (
  more: string,
): string => `(person uuid) returns table (notice_id uuid, kind text, label text, url text, tenant_id uuid, tenant_name text,
        agreed_at timestamptz, withdrawn_at timestamptz${more === '' ? '' : ', urls jsonb'}) ${HEAD}
      begin atomic
        select a.notice_id, n.kind, n.label, n.url, n.tenant_id, t.name, a.agreed_at, a.withdrawn_at${more}
        from agreements a join notices n on n.id = a.notice_id join tenants t on t.id = n.tenant_id
        where a.user_id = person order by a.agreed_at desc, a.notice_id limit 200;
      end`;
const NOTICES = (column: string, more: string): string => `(tenant uuid) returns jsonb ${HEAD}
      begin atomic
        select coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'kind', n.kind, 'label', n.label, 'url', n.url${more})), '[]') from (
          select distinct on (kind) id, kind, label, url, published_at${column} from notices where tenant_id = tenant and published_at <= clock_timestamp() order by kind, published_at desc, id desc) n;
      end`;
const EVENTS = `(person uuid, before timestamptz, before_id uuid, most integer) returns setof audit_events ${HEAD}`;
const newest = (condition: string): string =>
  `select * from audit_events where ${condition} and (at, id) < (before, before_id) order by at desc, id desc limit least(most, 201)`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table notices add column urls jsonb not null default '{}';
    create or replace function notices_for_protocol ${NOTICES(', urls', `, 'urls', n.urls`)};
    drop function agreements_of(uuid);
    create function agreements_of ${AGREEMENTS(', n.urls')};

    create index audit_events_by_people on audit_events using gin (data jsonb_path_ops) where (data -> 'userIds') is not null;
    create index audit_events_about_others on audit_events (actor_id, at desc) where actor_type = 'user' and actor_id is distinct from person_id::text;
    create or replace function audit_events_of ${EVENTS}
      begin atomic
        select * from (
          (${newest('person_id = person')})
          union
          (${newest(`(data -> 'userIds') is not null and data @> jsonb_build_object('userIds', jsonb_build_array(person::text))`)})
          union
          (${newest(`actor_type = 'user' and actor_id is distinct from person_id::text and actor_id = person::text`)})
        ) own order by at desc, id desc limit least(most, 201);
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    create or replace function audit_events_of ${EVENTS} begin atomic ${newest('person_id = person')}; end;
    drop index audit_events_about_others; drop index audit_events_by_people;
    drop function agreements_of(uuid);
    create function agreements_of ${AGREEMENTS('')};
    create or replace function notices_for_protocol ${NOTICES('', '')};
    alter table notices drop column urls;
  `);
}
