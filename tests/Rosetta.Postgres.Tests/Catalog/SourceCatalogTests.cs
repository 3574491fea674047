using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Tests.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Catalog;

[Collection(SourceServerCollection.Name)]
public sealed class SourceCatalogTests(SourceServer source)
{
    const string OddSchema = "Sch\"ema.; --";
    static readonly string LongName = new('ä', 31);

    async Task<(string Database, IReadOnlyList<SourceTable> Tables)> ListAsync(string sql, string? published = null)
    {
        var name = await source.CreateDatabaseAsync(sql);
        await using var database = source.Database(name);
        return (name, await new SourceCatalog(database).ListAsync(published, CancellationToken.None));
    }

    [Fact]
    public async Task Should_describe_columns_key_identity_and_size_of_tables_with_awkward_names()
    {
        var odd = SqlIdentifier.Quote(OddSchema);
        var (_, tables) = await ListAsync($$"""
            CREATE SCHEMA {{odd}};
            CREATE TABLE {{odd}}."a.b;c" ("Id" int, "quo""te" text NOT NULL DEFAULT 'it''s; \', "sel ect" numeric(12,3)[], PRIMARY KEY ("quo""te", "Id") INCLUDE ("sel ect"));
            CREATE TABLE {{odd}}."{{LongName}}" (x timestamptz(3), y "char", z varchar(7));
            INSERT INTO {{odd}}."a.b;c" SELECT i, 'x', NULL FROM generate_series(1, 1000) i;
            ANALYZE;
            """);
        Assert.Equal([$"{odd}.{LongName}", $"{odd}.\"a.b;c\""], tables.Select(t => t.Name.ToString()).Order(StringComparer.Ordinal).Reverse());
        var table = tables.Single(t => t.Name == new TableName(OddSchema, "a.b;c")).Description;
        Assert.Equal(["Id", "quo\"te", "sel ect"], table.Columns.Select(c => c.Name));
        Assert.Equal(["integer", "text", "numeric(12,3)[]"], table.Columns.Select(c => c.TypeSql));
        Assert.Equal([true, true, false], table.Columns.Select(c => c.NotNull));
        Assert.Equal([null, "'it''s; \\'::text", null], table.Columns.Select(c => c.DefaultSql));
        Assert.Equal(["quo\"te", "Id"], table.PrimaryKey);
        Assert.Equal(["quo\"te", "Id"], table.IdentityColumns);
        Assert.Equal('d', table.ReplicaIdentity);
        Assert.True(table.HasReplicaIdentity);
        Assert.Equal(1000, table.EstimatedRows);
        Assert.InRange(table.EstimatedBytes, 8192, 1_000_000);
        var other = tables.Single(t => t.Name.Name == LongName);
        Assert.False(other.Description.HasReplicaIdentity);
        Assert.Equal(["timestamp(3) with time zone", "\"char\"", "character varying(7)"], other.Description.Columns.Select(c => c.TypeSql));
        Assert.True(other is { IsOwner: true, CanSelect: true, CanBeReplicated: true, IsLocked: false });
    }

    [Fact]
    public async Task Should_leave_out_temporary_system_extension_and_own_tables_and_tell_partitions_apart()
    {
        var (_, tables) = await ListAsync("""
            CREATE SCHEMA rosetta; CREATE TABLE rosetta.state (id int);
            CREATE TABLE plain (id int PRIMARY KEY);
            CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
            CREATE TABLE parted (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
            CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
            CREATE VIEW v AS SELECT 1 AS one; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one; CREATE SEQUENCE s;
            """);
        Assert.Equal(["parted", "parted_1", "plain", "quick"], tables.Select(t => t.Name.Name));
        Assert.True(tables[0].IsPartitioned);
        Assert.True(tables[1].IsPartition);
        Assert.False(tables[3].CanBeReplicated);
        Assert.Equal(["parted_1", "plain", "quick"], SourceCatalog.ReplicatedTables(tables).Select(t => t.Name.Name));
    }

    [Fact]
    public async Task Should_tell_the_usable_replica_identity()
    {
        var (_, tables) = await ListAsync("""
            CREATE TABLE a_nothing (id int PRIMARY KEY); ALTER TABLE a_nothing REPLICA IDENTITY NOTHING;
            CREATE TABLE b_full (id int PRIMARY KEY); ALTER TABLE b_full REPLICA IDENTITY FULL;
            CREATE TABLE c_index (id int, u int NOT NULL); CREATE UNIQUE INDEX c_u ON c_index (u); ALTER TABLE c_index REPLICA IDENTITY USING INDEX c_u;
            CREATE TABLE d_dropped (LIKE c_index INCLUDING ALL); ALTER TABLE d_dropped REPLICA IDENTITY USING INDEX d_dropped_u_idx; DROP INDEX d_dropped_u_idx;
            CREATE TABLE e_deferrable (id int PRIMARY KEY DEFERRABLE);
            CREATE TABLE f_candidate (id int, u int NOT NULL); CREATE UNIQUE INDEX "f ""u" ON f_candidate (u);
            """);
        Assert.Equal([false, true, true, false, false, false], tables.Select(t => t.Description.HasReplicaIdentity));
        Assert.Equal(["u"], tables[2].Description.IdentityColumns);
        Assert.Equal('i', tables[3].Description.ReplicaIdentity);
        Assert.Equal([null, null, null, null], new[] { 0, 1, 3, 4 }.Select(i => tables[i].CandidateIndex is "a_nothing_pkey" or "b_full_pkey" ? null : tables[i].CandidateIndex));
        Assert.Equal("f \"u", tables[5].CandidateIndex);
    }

    [Fact]
    public async Task Should_read_missing_values_generated_columns_and_defaults_that_travel()
    {
        var (_, tables) = await ListAsync("""
            CREATE FUNCTION f() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
            CREATE TABLE t (id serial PRIMARY KEY, a int DEFAULT f(), b timestamptz DEFAULT now());
            INSERT INTO t DEFAULT VALUES;
            ALTER TABLE t ADD e int GENERATED ALWAYS AS (id * 2) STORED;
            ALTER TABLE t ADD c text DEFAULT 'a "quoted", value', ADD d int[] DEFAULT '{1,2}';
            """);
        var columns = tables[0].Description.Columns;
        Assert.Equal([null, null, "now()", null, "'a \"quoted\", value'::text", "'{1,2}'::integer[]"], columns.Select(c => c.DefaultSql));
        Assert.Equal([null, null, null, "(id * 2)", null, null], columns.Select(c => c.Generated));
        Assert.Equal([null, null, null, null, "a \"quoted\", value", "{1,2}"], columns.Select(c => c.MissingValue));
    }

    [Fact]
    public async Task Should_find_types_without_binary_form_also_inside_others()
    {
        var (_, tables) = await ListAsync("""
            CREATE DOMAIN acl AS aclitem; CREATE TYPE pair AS (n int, a aclitem);
            CREATE TABLE t (id int PRIMARY KEY, j jsonb, a aclitem, aa aclitem[], d acl, p pair, ps pair[], g int4range, box box, v int2vector);
            """);
        var columns = tables[0].Description.Columns;
        Assert.Equal([true, true, false, false, false, false, false, true, true, true], columns.Select(c => c.HasBinaryForm));
        // The plain one and the domain go as text; what is inside something else breaks the decoding.
        Assert.Equal(["aa", "p", "ps"], tables[0].UndecodableColumns);
    }

    [Fact]
    public async Task Should_give_the_statements_that_make_the_types_of_a_table_in_order()
    {
        const string Types = """
            CREATE SCHEMA "S.1";
            CREATE TYPE "S.1"."Mood ""x" AS ENUM ('sad', 'it''s \ ok', 'ü');
            CREATE DOMAIN "S.1".moods AS "S.1"."Mood ""x"[] NOT NULL CHECK (cardinality(VALUE) < 9);
            CREATE TYPE "S.1".comp AS ("a b" "S.1".moods, n numeric(5,2));
            CREATE TYPE "S.1".textrange AS RANGE (SUBTYPE = text);
            """;
        var (_, tables) = await ListAsync(Types + """
            CREATE TABLE "S.1".t (id int PRIMARY KEY, c "S.1".comp[], r "S.1".textrange, m "S.1"."Mood ""x", i int);
            """);
        var types = tables[0].Description.Types;
        Assert.Equal(["Mood \"x", "moods", "comp", "textrange"], types.Select(t => t.Name));
        Assert.Equal([TypeKind.Enum, TypeKind.Domain, TypeKind.Composite, TypeKind.Range], types.Select(t => t.Kind));
        Assert.Equal(["sad", "it's \\ ok", "ü"], types[0].Labels);

        var elsewhere = await source.CreateDatabaseAsync("CREATE SCHEMA \"S.1\";" + string.Join(";", types.Select(t => t.CreateSql)));
        await source.Server.ExecuteAsync(
            "CREATE TABLE \"S.1\".t (" + string.Join(", ", tables[0].Description.Columns.Select(c => $"{SqlIdentifier.Quote(c.Name)} {c.TypeSql}")) + ")",
            elsewhere);
        await using var database = source.Database(elsewhere);
        var copy = await new SourceCatalog(database).FindAsync(new TableName("S.1", "t"), CancellationToken.None);
        Assert.Equal(types.Select(t => t.CreateSql), copy!.Description.Types.Select(t => t.CreateSql));
        Assert.Equal(tables[0].Description.Columns.Select(c => c.TypeSql), copy.Description.Columns.Select(c => c.TypeSql));
    }

    [Fact]
    public async Task Should_say_what_is_published_and_what_the_role_may_do()
    {
        var name = await source.CreateDatabaseAsync("""
            CREATE TABLE a (id int PRIMARY KEY, secret text); CREATE TABLE b (id int PRIMARY KEY, x int); CREATE TABLE c (id int PRIMARY KEY);
            ALTER TABLE c ENABLE ROW LEVEL SECURITY;
            CREATE PUBLICATION "ro'se;tta" FOR TABLE a; CREATE PUBLICATION other FOR TABLE b;
            DO $$ BEGIN CREATE ROLE "Rea""der" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            GRANT SELECT (id) ON a TO "Rea""der"; GRANT SELECT (id, x) ON b TO "Rea""der"; GRANT SELECT ON c TO "Rea""der";
            """);
        await using var database = source.Database(name, "Rea\"der");
        var tables = await new SourceCatalog(database).ListAsync("^ro'se;tta$", CancellationToken.None);
        Assert.Equal([true, false, false], tables.Select(t => t.IsPublished));
        Assert.Equal([false, true, true], tables.Select(t => t.CanSelect));
        Assert.Equal([false, false, true], tables.Select(t => t.RowSecurityApplies));
        Assert.All(tables, t => Assert.False(t.IsOwner));
        Assert.All(tables, t => Assert.True(t.OwnerIsSuperuser));
    }

    [Fact]
    public async Task Should_list_while_another_session_rewrites_a_table()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, x int DEFAULT 7); CREATE TABLE u (id int)");
        await using var blocker = await source.Server.OpenAsync(name);
        await using var command = blocker.CreateCommand();
        command.CommandText = "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE";
        await command.ExecuteNonQueryAsync();
        await using var database = source.Database(name);
        var tables = await new SourceCatalog(database).ListAsync(null, CancellationToken.None);
        Assert.Equal([true, false], tables.Select(t => t.IsLocked));
    }

    [Fact]
    public async Task Should_answer_null_for_a_table_that_is_not_there()
    {
        await using var database = source.Database(await source.CreateDatabaseAsync());
        Assert.Null(await new SourceCatalog(database).DescribeAsync(new TableName("public", "none'; DROP"), CancellationToken.None));
    }
}
