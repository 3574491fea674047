using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Compilation;

/// <summary>
/// The conditions of a filter that mean exactly the same in PostgreSQL: =, &lt;, &gt;, &lt;=, &gt;=, IN, IS [NOT] NULL of an integer, boolean, uuid or
/// date column and literals, joined by AND. They spare a copy the rows that nobody wants; DuckDB has the last word.
/// </summary>
static partial class FilterPushdown
{
    public static string? Of(IReadOnlyList<JsonElement> conditions, ColumnScope scope)
    {
        var parts = conditions.SelectMany(c => Conjuncts(c)).Select(c => Part(c, scope)).OfType<string>().ToList();
        return parts.Count == 0 ? null : string.Join(" AND ", parts);
    }

    static IEnumerable<JsonElement> Conjuncts(JsonElement node) =>
        node.GetProperty("type").GetString() == "CONJUNCTION_AND" ? node.GetProperty("children").EnumerateArray().SelectMany(Conjuncts) : [node];

    static string? Part(JsonElement node, ColumnScope scope)
    {
        switch (node.GetProperty("type").GetString())
        {
            case "COLUMN_REF":
                return Column(node, scope) is { TypeOid: PgTypes.Bool } flag ? SqlIdentifier.Quote(flag.Name) : null;
            case "OPERATOR_NOT" when node.GetProperty("children")[0] is var child && child.GetProperty("type").GetString() == "COLUMN_REF":
                return Column(child, scope) is { TypeOid: PgTypes.Bool } not ? $"NOT {SqlIdentifier.Quote(not.Name)}" : null;
            case "OPERATOR_IS_NULL":
                return Column(node.GetProperty("children")[0], scope) is { } null1 ? $"{SqlIdentifier.Quote(null1.Name)} IS NULL" : null;
            case "OPERATOR_IS_NOT_NULL":
                return Column(node.GetProperty("children")[0], scope) is { } null2 ? $"{SqlIdentifier.Quote(null2.Name)} IS NOT NULL" : null;
            case "COMPARE_IN":
                return In(node.GetProperty("children"), scope);
            case "COMPARE_EQUAL":
                return Compare("=", "=", node, scope);
            case "COMPARE_LESSTHAN":
                return Compare("<", ">", node, scope);
            case "COMPARE_GREATERTHAN":
                return Compare(">", "<", node, scope);
            case "COMPARE_LESSTHANOREQUALTO":
                return Compare("<=", ">=", node, scope);
            case "COMPARE_GREATERTHANOREQUALTO":
                return Compare(">=", "<=", node, scope);
            default:
                return null;
        }
    }

    static string? Compare(string sign, string turned, JsonElement node, ColumnScope scope)
    {
        var (left, right) = (node.GetProperty("left"), node.GetProperty("right"));
        if (Column(left, scope) is { } column)
            return Literal(column, right) is { } value ? $"{SqlIdentifier.Quote(column.Name)} {sign} {value}" : null;
        return Column(right, scope) is { } other && Literal(other, left) is { } mirrored ? $"{SqlIdentifier.Quote(other.Name)} {turned} {mirrored}" : null;
    }

    static string? In(JsonElement children, ColumnScope scope)
    {
        if (Column(children[0], scope) is not { } column)
            return null;
        var values = children.EnumerateArray().Skip(1).Select(c => Literal(column, c)).ToList();
        return values.Contains(null) ? null : $"{SqlIdentifier.Quote(column.Name)} IN ({string.Join(", ", values)})";
    }

    static SourceColumn? Column(JsonElement node, ColumnScope scope)
    {
        if (node.GetProperty("class").GetString() != "COLUMN_REF")
            return null;
        var column = scope.Columns[scope.Find(ExpressionReader.Names(node))];
        return column.TypeOid is PgTypes.Int2 or PgTypes.Int4 or PgTypes.Int8 or PgTypes.Bool or PgTypes.Uuid or PgTypes.Date ? column : null;
    }

    static string? Literal(SourceColumn column, JsonElement node)
    {
        var cast = node.GetProperty("class").GetString() == "CAST" ? node.GetProperty("cast_type").GetProperty("id").GetString() : null;
        var literal = cast is null ? node : node.GetProperty("child");
        switch (column.TypeOid)
        {
            case PgTypes.Int2 or PgTypes.Int4 or PgTypes.Int8:
                return cast is null && Literals.Number(literal) is { } number ? $"({number.ToString(CultureInfo.InvariantCulture)})" : null;
            case PgTypes.Bool:
                return cast == "BOOLEAN" && Literals.Text(literal) is "t" or "f" ? (Literals.Text(literal) == "t" ? "true" : "false") : null;
            case PgTypes.Uuid:
                return cast is null && Literals.Text(literal) is { } uuid && Guid.TryParseExact(uuid, "D", out var guid) ? $"'{guid}'::uuid" : null;
            default:
                return cast is null or "DATE" && Literals.Text(literal) is { } date && IsoDate().IsMatch(date)
                    && DateOnly.TryParseExact(date, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _) ? $"'{date}'::date" : null;
        }
    }

    [GeneratedRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    private static partial Regex IsoDate();
}
