using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>A table's shape as schema_history keeps it.</summary>
/// <param name="Columns">A JSON array: name, type, nullable, default, primary_key.</param>
/// <param name="Fingerprint">Equal exactly when nothing that is kept differs; a hexadecimal hash.</param>
public sealed record TableShape(TableName Table, uint Oid, string Columns, string Fingerprint)
{
    public static TableShape Of(TableDescription table)
    {
        var columns = JsonSerializer.Serialize(table.Columns.Select(c => new
        {
            name = c.Name,
            type = c.TypeSql,
            nullable = !c.NotNull,
            @default = c.DefaultSql,
            generated = c.Generated,
            primary_key = table.PrimaryKey.Contains(c.Name),
        }));
        var identity = $"{table.ReplicaIdentity}({string.Join(',', table.IdentityColumns.Select(SqlIdentifier.Quote))})";
        var types = string.Join(';', table.Types.Select(t => t.CreateSql));
        var key = string.Join(',', table.PrimaryKey.Select(SqlIdentifier.Quote));
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', columns, identity, types, key)));
        return new TableShape(table.Name, table.Oid, columns, Convert.ToHexStringLower(hash.AsSpan(0, 16)));
    }
}

/// <param name="Change">CREATED, CHANGED, RECREATED, RENAMED or DROPPED.</param>
/// <param name="Shape">As it is now; of a dropped table as it was.</param>
/// <param name="RenamedFrom">The earlier name of a renamed table.</param>
public sealed record SchemaChange(string Change, TableShape Shape, TableName? RenamedFrom = null)
{
    public const string Created = "CREATED";
    public const string Changed = "CHANGED";
    public const string Recreated = "RECREATED";
    public const string Renamed = "RENAMED";
    public const string Dropped = "DROPPED";
}

/// <summary>What differs between two looks at a source's tables: pure.</summary>
public static class SchemaChanges
{
    public static IReadOnlyList<SchemaChange> Between(IReadOnlyCollection<TableShape> before, IReadOnlyCollection<TableShape> now)
    {
        var old = before.ToDictionary(s => s.Table);
        var oldByOid = before.ToDictionary(s => s.Oid);
        var nowOids = now.Select(s => s.Oid).ToHashSet();
        var changes = new List<SchemaChange>();
        foreach (var shape in now)
        {
            if (oldByOid.TryGetValue(shape.Oid, out var same))
            {
                if (same.Table != shape.Table)
                    changes.Add(new SchemaChange(SchemaChange.Renamed, shape, same.Table));
                if (same.Fingerprint != shape.Fingerprint)
                    changes.Add(new SchemaChange(SchemaChange.Changed, shape));
            }
            else
            {
                changes.Add(new SchemaChange(old.TryGetValue(shape.Table, out var other) && !nowOids.Contains(other.Oid) ? SchemaChange.Recreated : SchemaChange.Created, shape));
            }
        }

        var names = now.Select(s => s.Table).ToHashSet();
        changes.AddRange(before.Where(s => !nowOids.Contains(s.Oid) && !names.Contains(s.Table)).Select(s => new SchemaChange(SchemaChange.Dropped, s)));
        return changes;
    }
}
