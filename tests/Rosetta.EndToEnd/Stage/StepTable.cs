using System.Globalization;
using Rosetta.Testing.Equality;
using Xunit;

namespace Rosetta.EndToEnd.Stage;

/// <summary>A table with large rows, each of which carries a number that only grows; a destination that sees one of a row go backwards notes it.</summary>
static class StepTable
{
    public const string Schema =
        """
        CREATE SEQUENCE steps;
        CREATE TABLE orders (id int PRIMARY KEY, v int NOT NULL, step bigint NOT NULL DEFAULT nextval('steps'), big text);
        ALTER TABLE orders ALTER big SET STORAGE EXTERNAL;
        CREATE TABLE others (id int PRIMARY KEY, v int);
        INSERT INTO orders (id, v, big) SELECT i, 0, repeat('x', 3000) FROM generate_series(1, 2000) i;
        INSERT INTO others SELECT i, 0 FROM generate_series(1, 100) i;
        """;

    public const string Watch =
        """
        CREATE TABLE backwards (id int, was bigint, became bigint);
        CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.step < OLD.step AND NEW.id = OLD.id THEN INSERT INTO backwards VALUES (OLD.id, OLD.step, NEW.step); END IF; RETURN NULL; END $$;
        CREATE TRIGGER watch AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION watch();
        ALTER TABLE orders ENABLE ALWAYS TRIGGER watch;
        """;

    public static IReadOnlyList<TablePair> Tables { get; } = [TablePair.Same("public", "orders"), TablePair.Same("public", "others")];

    /// <summary>A change of it: of one row, of many, of keys; or a row that goes or comes.</summary>
    public static string Statement(Random random)
    {
        var id = random.Next(1, 2_000).ToString(CultureInfo.InvariantCulture);
        var v = random.Next(100_000).ToString(CultureInfo.InvariantCulture);
        return random.Next(10) switch
        {
            0 => $"INSERT INTO orders (id, v, big) VALUES ({id}, {v}, 'short') ON CONFLICT (id) DO NOTHING",
            1 => $"DELETE FROM orders WHERE id = {id}",
            2 => $"UPDATE orders SET id = id + 10000, step = nextval('steps') WHERE id = {id} AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id} + 10000)",
            3 => $"UPDATE orders SET id = id - 10000, step = nextval('steps') WHERE id = {id} + 10000 AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id})",
            4 => $"UPDATE orders SET v = {v}, step = nextval('steps') WHERE id = {id}",
            _ => $"UPDATE orders SET big = repeat(md5('{v}'), 100), step = nextval('steps') WHERE id BETWEEN {id} AND {id} + 60",
        };
    }

    /// <summary>The same, mostly of a few small rows, and of another table in the same transaction: of a part of the rows, so that they meet each other.</summary>
    public static string SmallStatement(Random random)
    {
        var id = random.Next(1, 600).ToString(CultureInfo.InvariantCulture);
        var v = random.Next(100_000).ToString(CultureInfo.InvariantCulture);
        return random.Next(12) switch
        {
            0 => $"INSERT INTO orders (id, v, big) VALUES ({id}, {v}, 'short') ON CONFLICT (id) DO NOTHING",
            1 => $"DELETE FROM orders WHERE id = {id}",
            2 => $"UPDATE orders SET id = id + 10000, step = nextval('steps') WHERE id = {id} AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id} + 10000)",
            3 => $"UPDATE orders SET id = id - 10000, step = nextval('steps') WHERE id = {id} + 10000 AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id})",
            4 => $"UPDATE orders SET big = repeat(md5('{v}'), 100), step = nextval('steps') WHERE id = {id}",
            5 => $"BEGIN; UPDATE others SET v = v + 1 WHERE id = {random.Next(1, 100)}; UPDATE orders SET v = {v}, step = nextval('steps') WHERE id BETWEEN {id} AND {id} + 20; COMMIT",
            _ => $"UPDATE orders SET v = {v}, step = nextval('steps') WHERE id = {id}",
        };
    }

    /// <summary>Every destination has what the source has, and none saw a row go backwards.</summary>
    public static async Task AssertEqualAsync(Installation installation)
    {
        for (var i = 0; i < installation.Targets.Count; i++)
        {
            var compared = await DatabaseComparison.CompareAsync(installation.SourceConnection, installation.TargetConnection(i), Tables);
            Assert.True(compared.Equal, $"target {i + 1}: {compared}");
            Assert.Equal(0, await installation.Targets[i].ScalarAsync<long>("SELECT count(*) FROM backwards", Installation.Database));
        }
    }
}
