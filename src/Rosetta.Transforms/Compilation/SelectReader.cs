using System.Text.Json;
using Rosetta.Transforms.Engine;

namespace Rosetta.Transforms.Compilation;

/// <summary>Gets SQL text through DuckDB's own parser and checks the statement around the expressions.</summary>
static class SelectReader
{
    public const int MaxLength = 16 * 1024;

    const int MaxJsonDepth = 1_000;

    static readonly string[] Properties =
    [
        "type", "modifiers", "cte_map", "select_list", "from_table", "where_clause", "group_expressions", "group_sets", "aggregate_handling", "having", "sample", "qualify",
    ];

    /// <summary>A condition, standing alone.</summary>
    /// <exception cref="RefusedException">It is something else.</exception>
    public static JsonElement Condition(DuckConnection connection, string text)
    {
        var select = Parse(connection, $"SELECT {text}", text);
        var list = select.GetProperty("select_list");
        if (select.GetProperty("from_table").GetProperty("type").GetString() != "EMPTY" || select.GetProperty("where_clause").ValueKind != JsonValueKind.Null)
            throw new RefusedException("write the condition only, without FROM and WHERE: status = 'open' AND amount > 10");
        if (list.GetArrayLength() != 1 || list[0].GetProperty("alias").GetString() is { Length: > 0 } || list[0].GetProperty("class").GetString() == "STAR")
            throw new RefusedException("write one condition, without a name: status = 'open' AND amount > 10");
        return list[0];
    }

    /// <summary>One SELECT from one relation, row by row.</summary>
    /// <exception cref="RefusedException">It is something else.</exception>
    public static JsonElement Select(DuckConnection connection, string text, ColumnScope scope)
    {
        var select = Parse(connection, text, text);
        var from = select.GetProperty("from_table");
        if (from.GetProperty("type").GetString() is not "BASE_TABLE" and var type)
            throw new RefusedException(type == "EMPTY" ? "it has no FROM: SELECT ... FROM the table itself" : "it may read one relation only, the table itself: no joins, subqueries or table functions");
        if (from.GetProperty("catalog_name").GetString() is { Length: > 0 } || !scope.IsTable(from.GetProperty("schema_name").GetString()!, from.GetProperty("table_name").GetString()!))
            throw new RefusedException($"it reads {from.GetProperty("table_name").GetString()}; it may read the table itself only");
        if (from.GetProperty("sample").ValueKind != JsonValueKind.Null || from.GetProperty("column_name_alias").GetArrayLength() > 0 || from.GetProperty("at_clause").ValueKind != JsonValueKind.Null)
            throw new RefusedException("the table is to be named plainly in FROM, without TABLESAMPLE, AT or a list of column names");
        scope.Alias = from.GetProperty("alias").GetString();
        return select;
    }

    static JsonElement Parse(DuckConnection connection, string sql, string text)
    {
        if (text.Length > MaxLength)
            throw new RefusedException($"it is longer than {MaxLength} characters");
        if (text.Contains('\0', StringComparison.Ordinal))
            throw new RefusedException("it holds a character of code 0");
        JsonElement root;
        try
        {
            var json = connection.Query("SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", sql)[0][0]!;
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxJsonDepth });
            root = document.RootElement.Clone();
        }
        catch (DuckException e)
        {
            throw new RefusedException(e.Message);
        }
        catch (JsonException)
        {
            throw new RefusedException("it is nested too deeply");
        }

        if (root.GetProperty("error").GetBoolean())
        {
            throw new RefusedException(root.GetProperty("error_type").GetString() == "not implemented"
                ? "only a SELECT is allowed, and in it expressions over one row: no ANY, no statement that changes or sets something"
                : root.GetProperty("error_message").GetString()!);
        }

        var statements = root.GetProperty("statements");
        if (statements.GetArrayLength() != 1)
            throw new RefusedException(statements.GetArrayLength() == 0 ? "there is no statement in it" : "one statement is allowed, not several");
        var node = statements[0].GetProperty("node");
        if (node.GetProperty("type").GetString() != "SELECT_NODE")
            throw new RefusedException("UNION, INTERSECT, EXCEPT, WITH RECURSIVE and VALUES are not allowed: one SELECT from the table itself");
        CheckPlain(node);
        return node;
    }

    static void CheckPlain(JsonElement node)
    {
        foreach (var property in node.EnumerateObject())
        {
            if (!Properties.Contains(property.Name))
                throw new RefusedException($"{property.Name} is not allowed");
        }

        if (node.GetProperty("cte_map").GetProperty("map").GetArrayLength() > 0)
            throw new RefusedException("WITH is not allowed: one SELECT from the table itself");
        if (node.GetProperty("modifiers").GetArrayLength() > 0)
            throw new RefusedException("DISTINCT, ORDER BY, LIMIT and OFFSET are not allowed: every row is looked at alone");
        if (node.GetProperty("group_expressions").GetArrayLength() > 0 || node.GetProperty("group_sets").GetArrayLength() > 0
            || node.GetProperty("aggregate_handling").GetString() != "STANDARD_HANDLING" || node.GetProperty("having").ValueKind != JsonValueKind.Null)
            throw new RefusedException("GROUP BY and HAVING are not allowed: every row is looked at alone");
        if (node.GetProperty("sample").ValueKind != JsonValueKind.Null || node.GetProperty("qualify").ValueKind != JsonValueKind.Null)
            throw new RefusedException("QUALIFY and USING SAMPLE are not allowed: every row is looked at alone");
    }
}
