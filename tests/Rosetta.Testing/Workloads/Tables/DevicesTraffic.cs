using System.Buffers.Binary;

namespace Rosetta.Testing.Workloads.Tables;

sealed class DevicesTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Devices, rows)
{
    public override int Weight => 10;

    public override string Ddl => $"CREATE TABLE {Name} (label varchar(80), id uuid PRIMARY KEY, score real, seen timestamp, seq int NOT NULL DEFAULT 0)";

    public override string Seeding =>
        $"""
        INSERT INTO {Name} (id, label, score)
        SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'device ' || i, i FROM generate_series(1, {Rows}) i
        """;

    public override void Add(Random random, List<Statement> statements)
    {
        var key = Key(AnyKey(random));
        switch (random.Next(100))
        {
            case < 35:
                statements.Add(On($"UPDATE {Name} SET score = $2, seq = seq + 1 WHERE id = $1", key, (float)random.NextDouble()));
                break;
            case < 60:
                statements.Add(On(
                    $"INSERT INTO {Name} (id, label, seen) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
                    key, "device " + random.Next(), new DateTime(1999, 12, 31, 0, 0, 0, DateTimeKind.Unspecified).AddMinutes(random.Next(9_999_999))));
                break;
            case < 75:
                statements.Add(On($"DELETE FROM {Name} WHERE id = $1", key));
                break;
            case < 85:
                // Deleted and there again within one transaction.
                statements.Add(On($"DELETE FROM {Name} WHERE id = $1", key));
                statements.Add(On($"INSERT INTO {Name} (id, label) VALUES ($1, 'again') ON CONFLICT (id) DO NOTHING", key));
                break;
            default:
                Swap(key, Key(AnyKey(random)), Key(-random.Next(1, int.MaxValue)), statements);
                break;
        }
    }

    void Swap(Guid a, Guid b, Guid parking, List<Statement> statements)
    {
        // With a == b the row would be parked for ever.
        if (a == b)
            return;
        var sql = $"UPDATE {Name} SET id = $2, seq = seq + 1 WHERE id = $1";
        statements.Add(On(sql, a, parking));
        statements.Add(On(sql, b, a));
        statements.Add(On(sql, parking, b));
    }

    static Guid Key(int number)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        bytes[6] = 0x40;
        bytes[8] = 0x80;
        BinaryPrimitives.WriteInt32BigEndian(bytes[12..], number);
        return new Guid(bytes, bigEndian: true);
    }
}
