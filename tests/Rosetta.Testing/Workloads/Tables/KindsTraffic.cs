using Rosetta.Testing.Servers;

namespace Rosetta.Testing.Workloads.Tables;

sealed class KindsTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Kinds, rows)
{
    // Per column: type and the literals worth having. NULL is added to each.
    static readonly (string Name, string Type, string[] Values)[] Columns =
    [
        ("ints", "int[]", ["{}", "{1,2,3}", "{NULL,-1}", "[5:7]={1,2,3}", "{{1,2},{3,4}}"]),
        ("texts", "text[]", ["{}", "{\"\"}", "{NULL,\"NULL\"}", "{\"a,b\",\"q\\\"x\\\\\",\"{}\"}", "[0:0]={é}"]),
        ("doc", "jsonb", ["null", "{}", "[]", "{\"a\": 1.0, \"b\": [1e400, \"é\\u0001\"]}", "{\"n\": 12345678901234567890.10}"]),
        ("raw_doc", "json", ["{\"a\":1,\"a\":2}", " [1 , 2] ", "\"x\""]),
        ("amount", "numeric", ["0", "0.000", "-1.500", "NaN", "123456789012345678901234567890123456789012345.6789", "1e-30", "Infinity"]),
        ("span", "interval", ["0", "1 mon -1 days", "-00:00:00.000001", "1000 years 25:01:01", "-1 year +2 days -3:00"]),
        ("at", "timestamptz", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "2024-02-29 23:59:59.999999+00", "1969-12-31 23:59:59Z"]),
        ("local", "timestamp", ["infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "2000-01-01"]),
        ("day", "date", ["infinity", "-infinity", "0001-01-01 BC", "2024-02-29", "5874897-12-31"]),
        ("clock", "time", ["24:00:00", "00:00", "23:59:59.999999"]),
        ("clock_tz", "timetz", ["24:00:00+00", "12:00:00+05:45:15", "00:00:00-15:59:59"]),
        ("raw", "bytea", ["\\x", "\\x00", "\\x00ff5c0d0a2e", "\\xdeadbeef"]),
        ("numbers", "int4range", ["empty", "[1,5)", "(,)", "[7,)"]),
        ("period", "tstzrange", ["empty", "[2020-01-01Z,infinity]", "(,2020-01-01Z]"]),
        ("code", "char(8)", ["", "a", "ab  ", "äöü"]),
        ("address", "inet", ["10.0.0.1", "10.1.2.3/8", "::1", "2001:db8::/32"]),
        ("bits", "bit varying(12)", ["", "1", "000000000001"]),
        ("single", "real", ["0", "-0", "NaN", "Infinity", "1e-45", "3.4028235e38", "0.1"]),
        ("dbl", "double precision", ["-0", "NaN", "-Infinity", "5e-324", "0.1", "1.7976931348623157e308"]),
        ("price", "money", ["0", "-1.23", "92233720368547758.07"])
    ];

    static readonly string[] Moods = ["sad", "ok", "happy"];

    string Mood => $"{Schema}.mood";

    public override int Weight => 8;

    public override string Ddl =>
        $"""
        CREATE TYPE {Mood} AS ENUM ('sad', 'ok', 'happy');
        CREATE TABLE {Name} (id bigint PRIMARY KEY, mood {Mood}, {string.Join(", ", Columns.Select(c => $"{SqlName.Quote(c.Name)} {c.Type}"))})
        """;

    public override string Seeding
    {
        get
        {
            // Every value of every column at least once.
            var rows = Enumerable.Range(0, Columns.Max(c => c.Values.Length) + 1).Select(i =>
                $"({i + 1}, {(i < Moods.Length ? SqlName.Literal(Moods[i]) : "NULL")}, "
                + string.Join(", ", Columns.Select(c => i < c.Values.Length ? SqlName.Literal(c.Values[i]) : "NULL")) + ")");
            return $"INSERT INTO {Name} VALUES {string.Join(", ", rows)}";
        }
    }

    int Keys => Math.Min(Rows, 300);

    public override void Add(Random random, List<Statement> statements)
    {
        var key = random.NextInt64(1, Keys + 1);
        var (name, type, values) = Columns[random.Next(Columns.Length)];
        var value = values[random.Next(values.Length)];
        var column = SqlName.Quote(name);
        statements.Add(random.Next(100) switch
        {
            < 45 => On($"UPDATE {Name} SET {column} = $2::text::{type} WHERE id = $1", key, value),
            < 50 => On($"UPDATE {Name} SET {column} = NULL WHERE id = $1", key),
            < 60 => On($"UPDATE {Name} SET mood = $2::text::{Mood} WHERE id = $1", key, Moods[random.Next(Moods.Length)]),
            < 85 => On($"INSERT INTO {Name} (id, {column}) VALUES ($1, $2::text::{type}) ON CONFLICT (id) DO NOTHING", key, value),
            _ => On($"DELETE FROM {Name} WHERE id = $1", key)
        });
    }
}
