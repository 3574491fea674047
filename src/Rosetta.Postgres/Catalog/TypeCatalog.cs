using System.Text.Json;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Catalog;

/// <summary>The types outside pg_catalog as read at one moment, and in which order they have to be made.</summary>
sealed class TypeCatalog
{
    readonly Dictionary<uint, Entry> _entries = [];

    /// <param name="rows">The rows of <see cref="CatalogSql.Types"/>.</param>
    public TypeCatalog(IEnumerable<string> rows)
    {
        foreach (var json in rows)
        {
            using var document = JsonDocument.Parse(json);
            var row = document.RootElement;
            uint[] needs = row.GetProperty("needs") is { ValueKind: JsonValueKind.Array } list
                ? [.. list.EnumerateArray().Select(e => e.GetUInt32())]
                : [];
            _entries.Add(row.GetProperty("oid").GetUInt32(), new Entry(Define(row), needs));
        }
    }

    /// <summary>What has to exist before columns of these types can be made, each after what it needs itself.</summary>
    public IReadOnlyList<TypeDefinition> DefinitionsFor(IEnumerable<uint> typeOids)
    {
        var ordered = new List<TypeDefinition>();
        var seen = new HashSet<uint>();
        foreach (var oid in typeOids)
            Visit(oid, seen, ordered);
        return ordered;
    }

    void Visit(uint oid, HashSet<uint> seen, List<TypeDefinition> ordered)
    {
        if (!seen.Add(oid) || !_entries.TryGetValue(oid, out var entry))
            return;
        var extension = entry.Definition is { Kind: TypeKind.Extension };
        if (!extension)
        {
            foreach (var inner in entry.Needs)
                Visit(inner, seen, ordered);
        }

        // Several types of one extension are one definition.
        if (entry.Definition is { } definition && !(extension && ordered.Any(d => d.Kind == TypeKind.Extension && d.Oid == definition.Oid)))
            ordered.Add(definition);
    }

    // Null for an array (it comes with its element), a multirange (with its range), the row type of a table and a base type written in C:
    // none of them can be made by a statement of its own.
    static TypeDefinition? Define(JsonElement row)
    {
        var oid = row.GetProperty("oid").GetUInt32();
        var schema = CatalogJson.Text(row, "schema");
        var name = CatalogJson.Text(row, "name");
        var sql = $"{SqlIdentifier.Quote(schema)}.{SqlIdentifier.Quote(name)}";
        if (CatalogJson.OptionalText(row, "extension") is { } extension)
        {
            var home = CatalogJson.Text(row, "extension_schema");
            return new TypeDefinition(
                row.GetProperty("extension_oid").GetUInt32(), home, extension, TypeKind.Extension, [],
                $"CREATE EXTENSION IF NOT EXISTS {SqlIdentifier.Quote(extension)} WITH SCHEMA {SqlIdentifier.Quote(home)}");
        }

        switch (CatalogJson.Text(row, "kind"))
        {
            case "e":
                var labels = CatalogJson.Names(row, "labels");
                return new TypeDefinition(
                    oid, schema, name, TypeKind.Enum, labels, $"CREATE TYPE {sql} AS ENUM ({string.Join(", ", labels.Select(Literal))})");
            case "d":
                return new TypeDefinition(oid, schema, name, TypeKind.Domain, [], Domain(row, sql));
            case "c" when row.GetProperty("composite").GetBoolean():
                return new TypeDefinition(
                    oid, schema, name, TypeKind.Composite, [],
                    $"CREATE TYPE {sql} AS ({string.Join(", ", CatalogJson.Names(row, "attributes"))})");
            case "r":
                var multirange = CatalogJson.OptionalText(row, "multirange");
                return new TypeDefinition(
                    oid, schema, name, TypeKind.Range, [],
                    $"CREATE TYPE {sql} AS RANGE (SUBTYPE = {CatalogJson.Text(row, "subtype")}"
                        + $"{(multirange is null ? "" : $", MULTIRANGE_TYPE_NAME = {multirange}")})");
            default:
                return null;
        }
    }

    // Without its default, which only concerns statements that leave the column out.
    static string Domain(JsonElement row, string sql)
    {
        var text = $"CREATE DOMAIN {sql} AS {CatalogJson.Text(row, "base")}";
        if (CatalogJson.OptionalText(row, "collation") is { } collation)
            text += $" COLLATE {collation}";
        if (row.GetProperty("not_null").GetBoolean())
            text += " NOT NULL";
        foreach (var check in CatalogJson.Names(row, "checks"))
            text += $" {check}";
        return text;
    }

    static string Literal(string label) => SqlIdentifier.Literal(label).TrimStart();

    sealed record Entry(TypeDefinition? Definition, uint[] Needs);
}
