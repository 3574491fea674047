using System.Text.Json;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Catalog;

/// <summary>Reads the rows of <see cref="CatalogSql"/>.</summary>
static class CatalogJson
{
    /// <param name="json">A row of <see cref="CatalogSql.Tables"/>.</param>
    /// <param name="types">The types among which those of the table's columns are.</param>
    public static SourceTable ReadTable(string json, TypeCatalog types)
    {
        using var document = JsonDocument.Parse(json);
        var row = document.RootElement;
        var columns = new List<ColumnDescription>();
        var undecodable = new List<string>();
        if (row.GetProperty("columns") is { ValueKind: JsonValueKind.Array } list)
        {
            foreach (var item in list.EnumerateArray())
            {
                var column = ReadColumn(item);
                columns.Add(column);
                // Generated columns are not in the stream.
                if (column is { HasBinaryForm: false, Generated: null } && item.GetProperty("sends").GetBoolean())
                    undecodable.Add(column.Name);
            }
        }

        var identity = Names(row, "identity_key");
        var kind = Text(row, "identity")[0];
        // pub_contains_invalid_column, since PostgreSQL 18: under FULL a generated column anywhere counts.
        var generated = columns.Where(c => c.Generated is not null).Select(c => c.Name).ToHashSet();
        var identityIsGenerated = kind == 'f' ? generated.Count > 0 && row.GetProperty("version").GetInt32() >= 180000 : identity.Any(generated.Contains);
        var description = new TableDescription(
            row.GetProperty("oid").GetUInt32(),
            new TableName(Text(row, "schema"), Text(row, "name")),
            columns,
            Names(row, "primary_key"),
            kind,
            identity,
            row.GetProperty("rows").GetInt64(),
            row.GetProperty("bytes") is { ValueKind: JsonValueKind.Number } bytes ? bytes.GetInt64() : 0)
        {
            Types = types.DefinitionsFor(columns.Select(c => c.TypeOid)),
            IdentityIsGenerated = identityIsGenerated,
            IsPartitioned = Text(row, "kind") == "p",
        };
        return new SourceTable(
            description,
            row.GetProperty("partition").GetBoolean(),
            row.GetProperty("unlogged").GetBoolean(),
            Text(row, "owner"),
            row.GetProperty("owner_super").GetBoolean(),
            row.GetProperty("is_owner").GetBoolean(),
            row.GetProperty("schema_usage").GetBoolean(),
            row.GetProperty("can_select").GetBoolean(),
            row.GetProperty("row_security").GetBoolean(),
            row.GetProperty("locked").GetBoolean(),
            row.GetProperty("published").GetBoolean(),
            OptionalText(row, "candidate"),
            undecodable);
    }

    static ColumnDescription ReadColumn(JsonElement item)
    {
        var generated = Text(item, "generated").Length > 0;
        var expression = OptionalText(item, "expression");
        return new ColumnDescription(
            Text(item, "name"),
            item.GetProperty("type").GetUInt32(),
            item.GetProperty("modifier").GetInt32(),
            Text(item, "sql"),
            item.GetProperty("not_null").GetBoolean(),
            generated ? null : expression,
            OptionalText(item, "missing"),
            generated ? expression ?? "" : null,
            item.GetProperty("binary").GetBoolean())
        {
            HasDefault = item.GetProperty("has_default").GetBoolean(),
            IsNondeterministic = item.GetProperty("nondeterministic").GetBoolean(),
        };
    }

    public static string Text(JsonElement row, string name) =>
        row.GetProperty(name).GetString() ?? throw new InvalidDataException($"The catalog query returned no {name}.");

    public static string? OptionalText(JsonElement row, string name) => row.GetProperty(name).GetString();

    public static IReadOnlyList<string> Names(JsonElement row, string name) =>
        row.GetProperty(name) is { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Select(e => e.GetString() ?? "")]
            : [];
}
