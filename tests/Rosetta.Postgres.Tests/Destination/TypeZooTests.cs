using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Every value arrives byte for byte, by copy, by COPY of inserts, by staged updates and by row statements.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class TypeZooTests(DestinationServer server)
{
    const string Schema =
        """
        CREATE SCHEMA zoo;
        CREATE TYPE zoo.mood AS ENUM ('sad', 'it''s ok', 'happy');
        CREATE TYPE zoo.pair AS (x int, y text);
        CREATE DOMAIN zoo.positive AS int CHECK (VALUE > 0);
        CREATE DOMAIN zoo.many AS int[];
        CREATE TYPE zoo.floatrange AS RANGE (subtype = float8);
        CREATE TABLE "Weird "".name" (
            "Id.x" int, "k;2" text, PRIMARY KEY ("k;2", "Id.x"),
            n numeric, n2 numeric(30,10), f4 real, f8 double precision, b boolean, by bytea, c char(5), vc varchar(10), tx text,
            d date, t time, tt timetz, ts timestamp, tz timestamptz(3), iv interval, u uuid, j json, jb jsonb, x xml,
            ia int[], ta text[], m zoo.mood, ma zoo.mood[], p zoo.pair, pa zoo.pair[], dom zoo.positive, doma zoo.many,
            r int4range, nr numrange, fr zoo.floatrange, mr int4multirange, i inet, ci cidr, mac macaddr, pt point, bx box, pth path,
            bit3 bit(3), vb varbit, tsv tsvector, tsq tsquery, l pg_lsn, o oid, mny money, i2 smallint, i8 bigint, "char" "char", nm name, reg regclass, snap pg_snapshot)
        """;

    static string Rows(int from, int count) =>
        $$"""
        INSERT INTO "Weird "".name"
        SELECT id, 'key ' || id, (ARRAY['NaN', 'Infinity', '-Infinity', '0.00', '1e100', '-123456789012345678901234567890.000100', '1e-50'])[1 + id % 7]::numeric,
               12345678901234567890.0000000001, '-0', CASE id % 3 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE '-Infinity' END::float8, id % 2 = 0, '\x00ff00', 'ab', 'äöü', '',
               (ARRAY['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31'])[1 + id % 4]::date, '24:00:00', '23:59:59.999999+15:59:59', '294276-12-31 23:59:59.999999', '0044-03-15 12:00:00.5+00 BC',
               '-1 year 2 mons -3 days 04:05:06.789', gen_random_uuid(), '{"a" : 1.0,  "a": 2}', '{"n": 1.10, "big": 123456789012345678901234567890}', '<a>1</a>',
               '[-2:0]={1,NULL,3}', ARRAY['', NULL, 'a"b'], 'it''s ok', ARRAY['happy', NULL]::zoo.mood[], ROW(1, 'x,y')::zoo.pair, ARRAY[ROW(NULL, '')::zoo.pair, NULL], id, ARRAY[1, 2],
               '[1,5)', 'empty', '(-1.5,)', '{[1,3),[5,9)}', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '(1,-0)', '(1,1),(0,0)', '[(0,0),(1,1)]',
               '101', '1', 'a:1A b:2', 'a & !b', '16/B374D848', 4294967295, '-92233720368547758.08', -32768, -9223372036854775808, 'x', 'n', 'pg_class', '10:20:10,14,15'
          FROM generate_series({{from}}, {{from + count - 1}}) id;
        INSERT INTO "Weird "".name" ("Id.x", "k;2") VALUES ({{from}}, 'all null'), (-{{from}}, '')
        """;

    [Fact]
    public async Task Should_carry_every_type_unchanged()
    {
        await using var replica = await server.ReplicaAsync(Schema);
        replica.TextColumns.UnionWith(["ma", "p", "pa"]);
        await replica.SourceAsync(Rows(1, 20));
        // Other objects first, so that the types' OIDs differ between the databases.
        await replica.TargetAsync("CREATE TABLE a (x int); CREATE TABLE b (x int); DROP TABLE a, b");
        await replica.StartAsync();
        await replica.AssertEqualAsync();

        await replica.SourceAsync(Rows(1000, 100));
        await replica.SyncAsync();
        await replica.AssertEqualAsync();

        foreach (var rows in new[] { "\"Id.x\" % 20 = 7", "true" })
        {
            await replica.SourceAsync($"UPDATE \"Weird \"\".name\" SET i8 = 1, n = n * 1.00, m = 'happy', dom = 77, ia = '[5:6]={{1,2}}', p = ROW(2, NULL)::zoo.pair, mny = '1.00' WHERE {rows}");
            await replica.SyncAsync();
            await replica.AssertEqualAsync();
            await replica.SourceAsync($"UPDATE \"Weird \"\".name\" SET \"k;2\" = \"k;2\" || '…' WHERE {rows}");
            await replica.SyncAsync();
            await replica.AssertEqualAsync();
        }

        await replica.SourceAsync("DELETE FROM \"Weird \"\".name\" WHERE \"Id.x\" % 2 = 0");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_find_rows_without_a_key_whatever_their_types()
    {
        await using var replica = await server.ReplicaAsync(Schema.Replace(", PRIMARY KEY (\"k;2\", \"Id.x\")", "", StringComparison.Ordinal) + "; ALTER TABLE \"Weird \"\".name\" REPLICA IDENTITY FULL");
        replica.TextColumns.UnionWith(["ma", "p", "pa"]);
        await replica.SourceAsync(Rows(1, 5));
        await replica.SourceAsync(Rows(1, 5));
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE \"Weird \"\".name\" SET tx = 'changed' WHERE ctid = (SELECT min(ctid) FROM \"Weird \"\".name\" WHERE \"Id.x\" = 1); DELETE FROM \"Weird \"\".name\" WHERE \"Id.x\" = 2");
        var result = await replica.SyncAsync();
        await replica.AssertEqualAsync();
        Assert.Equal(0, result.Rows.Values.Single().Divergences);
    }

    [Fact]
    public async Task Should_load_columns_that_come_as_text()
    {
        // aclitem has no send function in PostgreSQL 15, nor has an array of them.
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, acl aclitem, n int)");
        await replica.StartAsync("t");
        await replica.SourceAsync("INSERT INTO t SELECT i, CASE WHEN i % 3 > 0 THEN makeaclitem(10, 10, 'SELECT', i % 2 = 0) END, 0 FROM generate_series(1, 200) i");
        await replica.SyncAsync();
        await replica.SourceAsync("UPDATE t SET acl = makeaclitem(10, 10, 'INSERT', false) WHERE id > 50; UPDATE t SET n = 1 WHERE id = 3; DELETE FROM t WHERE id = 5");
        await replica.SyncAsync();
        await replica.SourceAsync("UPDATE t SET acl = makeaclitem(10, 10, 'UPDATE', false) WHERE id = 51");
        await replica.SyncAsync();
        Assert.Equal(
            await server.Server.ScalarAsync<string>("SELECT string_agg(t::text, ';' ORDER BY id) FROM t", replica.Source),
            await server.Server.ScalarAsync<string>("SELECT string_agg(t::text, ';' ORDER BY id) FROM t", replica.Target));
    }
}
