import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { openDuckDb, rowsOf } from './duckdb.ts'
import { openFolderStore } from './folder-store.ts'
import { ALLOWED_FUNCTIONS, ALLOWED_TABLE_FUNCTIONS } from './functions.ts'
import { createLake } from './lake.ts'
import { openQuery, type Query } from './query.ts'

/**
 * What DuckDB has and a question may not use. A function that is in neither list makes the test fail: a new version of
 * DuckDB brought it, and somebody has to say what it may read.
 */
const REFUSED = {
  'reads or changes settings, the session, the log or the catalogue': `
    current_catalog current_connection_id current_database current_query current_query_id current_role current_schema
    current_schemas current_setting current_transaction_id current_user currval getvariable in_search_path
    nextval session_user setseed txid_current user version write_log get_block_size parse_duckdb_log_message
    col_description format_pg_type format_type has_any_column_privilege has_column_privilege has_database_privilege
    has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege has_schema_privilege
    has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege inet_client_addr
    inet_client_port inet_server_addr inet_server_port map_to_pg_oid obj_description pg_collation_is_visible
    pg_conf_load_time pg_conversion_is_visible pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_viewdef
    pg_has_role pg_is_other_temp_schema pg_my_temp_schema pg_opclass_is_visible pg_operator_is_visible
    pg_opfamily_is_visible pg_postmaster_start_time pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible
    pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_typeof shobj_description`,
  'runs or plans SQL given as text': `
    json_deserialize_sql json_serialize_plan json_serialize_sql`,
  'takes time and nothing else': `
    pg_sleep sleep_ms`,
  'shows or makes what the engine is made of': `
    cast_to_type combine constant_or_null create_sort_key finalize get_type make_type remap_struct replace_type stats
    unpivot_list variant_bytes_to_variant variant_extract variant_normalize variant_to_parquet_variant variant_typeof
    vector_type icu_sort_key`,
  'is of shapes on the earth, which no table has': `
    st_asbinary st_astext st_aswkb st_aswkt st_crs st_geomfromwkb st_intersects_extent st_setcrs`,
}
const REFUSED_NAMES = new Set(Object.values(REFUSED).flatMap((names) => names.split(/\s+/).filter(Boolean)))
/** Families that the engine uses for itself. */
const REFUSED_FAMILIES = /^(__internal_|icu_collate_)/

/** All of these read files, settings, secrets or the engine, but for the seven that are allowed. */
const REFUSED_IN_FROM = new Set(
  `arrow_scan arrow_scan_dumb check_peg_parser checkpoint disable_logging disable_peg_parser disable_profiling
  duckdb_approx_database_count duckdb_columns duckdb_connection_count duckdb_constraints duckdb_coordinate_systems
  duckdb_databases duckdb_dependencies duckdb_extensions duckdb_external_file_cache duckdb_functions duckdb_indexes
  duckdb_keywords duckdb_log_contexts duckdb_logs duckdb_logs_parsed duckdb_memory duckdb_optimizers
  duckdb_prepared_statements duckdb_profiling_settings duckdb_schemas duckdb_secret_types duckdb_secrets
  duckdb_sequences duckdb_settings duckdb_table_sample duckdb_tables duckdb_temporary_files duckdb_types
  duckdb_variables duckdb_views enable_logging enable_peg_parser enable_profiling force_checkpoint glob histogram
  histogram_values icu_calendar_names json_execute_serialized_sql parquet_bloom_probe parquet_file_metadata
  parquet_full_metadata parquet_kv_metadata parquet_metadata parquet_scan parquet_schema pg_timezone_names
  pragma_collations pragma_database_size pragma_metadata_info pragma_platform pragma_show pragma_storage_info
  pragma_table_info pragma_user_agent pragma_version query query_table read_blob read_csv read_csv_auto read_duckdb
  read_json read_json_auto read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects
  read_parquet read_text seq_scan sniff_csv sql_auto_complete summary test_all_types test_vector_types
  truncate_duckdb_logs which_secret`.split(/\s+/),
)

const folder = mkdtempSync(join(tmpdir(), 'hearth-functions-'))
let query: Query
/** Names in lower case, as they are called. */
let scalars: readonly string[]
let inFrom: readonly string[]
let pragmas: readonly string[]

beforeAll(async () => {
  const store = openFolderStore(join(folder, 'lake'))
  const options = { store, clock: machineClock, random: machineRandom, fleet: 'f', region: 'r', buckets: 4 }
  query = await openQuery({ lake: await createLake(options), clock: machineClock, memory_limit: '256MB' })
  await using duckdb = await openDuckDb()
  const rows = await rowsOf(
    duckdb.connection,
    'SELECT DISTINCT lower(function_name) AS name, function_type AS type FROM duckdb_functions() ORDER BY 1',
  )
  const named = (...types: string[]) => [
    ...new Set(
      rows.flatMap(({ name, type }) =>
        typeof name === 'string' && typeof type === 'string' && types.includes(type) ? [name] : [],
      ),
    ),
  ]
  const known = ['scalar', 'macro', 'aggregate', 'table', 'table_macro', 'pragma']
  expect(new Set(rows.map(({ type }) => type))).toEqual(new Set(known))
  scalars = named('scalar', 'macro', 'aggregate')
  inFrom = named('table', 'table_macro')
  pragmas = named('pragma')
})
afterAll(async () => {
  await query[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** `refused` by the check of the statement, before the engine sees it. */
async function fateOf(sql: string): Promise<'refused' | 'passed'> {
  return query.run(sql, { max_rows: 1 }).then(
    () => 'passed',
    (error: unknown) => (error instanceof Error && /is not allowed/.test(error.message) ? 'refused' : 'passed'),
  )
}

test('somebody has said of each scalar, aggregate and macro of DuckDB whether a question may use it', () => {
  const unsaid = scalars.filter(
    (name) => !ALLOWED_FUNCTIONS.has(name) && !REFUSED_NAMES.has(name) && !REFUSED_FAMILIES.test(name),
  )
  expect(unsaid).toEqual([])
  expect([...ALLOWED_FUNCTIONS].filter((name) => REFUSED_NAMES.has(name) || REFUSED_FAMILIES.test(name))).toEqual([])
})

test('somebody has said of each table function of DuckDB whether it may stand in FROM', () => {
  expect(inFrom.filter((name) => !ALLOWED_TABLE_FUNCTIONS.has(name) && !REFUSED_IN_FROM.has(name))).toEqual([])
  expect([...ALLOWED_TABLE_FUNCTIONS].filter((name) => REFUSED_IN_FROM.has(name))).toEqual([])
})

test('the lists name nothing that DuckDB does not have', () => {
  const has = new Set([...scalars, ...inFrom])
  // `unnest` is syntax in a list of columns, and a table function in FROM.
  expect([...ALLOWED_FUNCTIONS, ...REFUSED_NAMES, ...REFUSED_IN_FROM].filter((name) => !has.has(name))).toEqual([])
})

test('what is not allowed is refused before the engine looks at it, however it is called', async () => {
  const passed: string[] = []
  const quoted = (name: string) => `"${name}"`
  for (const name of [...scalars, ...pragmas]) {
    if (ALLOWED_FUNCTIONS.has(name) || ALLOWED_TABLE_FUNCTIONS.has(name)) continue
    for (const call of [`${quoted(name)}()`, `system.main.${quoted(name.toUpperCase())}('/etc/passwd', 1)`])
      if ((await fateOf(`SELECT ${call}`)) !== 'refused') passed.push(call)
  }
  for (const name of [...inFrom, ...pragmas]) {
    if (ALLOWED_TABLE_FUNCTIONS.has(name)) continue
    for (const from of [`${quoted(name)}('/etc/passwd')`, `(SELECT 1) AS t, LATERAL system.main.${quoted(name)}(t)`])
      if ((await fateOf(`SELECT * FROM ${from}`)) !== 'refused') passed.push(from)
  }
  expect(passed).toEqual([])
})

test('what is allowed is not refused', async () => {
  for (const name of ALLOWED_FUNCTIONS) expect(await fateOf(`SELECT "${name}"()`), name).toBe('passed')
  for (const name of ALLOWED_TABLE_FUNCTIONS) expect(await fateOf(`SELECT * FROM "${name}"(1)`), name).toBe('passed')
})

test('no allowed function reads the environment or a file', async () => {
  process.env['CANARY_OF_THE_ENVIRONMENT'] = 'canary-value-4711'
  for (const name of ALLOWED_FUNCTIONS) {
    for (const argument of ["'CANARY_OF_THE_ENVIRONMENT'", "'/etc/passwd'"]) {
      const { rows } = await query.run(`SELECT "${name}"(${argument})`, { max_rows: 1 }).catch(() => ({ rows: [] }))
      expect(JSON.stringify(rows), name).not.toMatch(/canary-value-4711|root:x:/)
    }
  }
})
