using System.Text.Json;
using Rosetta.Core.Tables;

namespace Rosetta.Transforms.Compilation;

/// <summary>
/// Reads an expression off DuckDB's parse tree and writes it as SQL again. Only what is known here gets through, so what runs is what was
/// understood, whatever the text held beside it.
/// </summary>
sealed class ExpressionReader(ColumnScope scope)
{
    const int MaxDepth = 100;
    const int MaxNodes = 3_000;
    const int MaxPattern = 1_000;

    /// <summary>How often the backtracking matcher of a pattern with both % and _ may begin anew.</summary>
    const int MaxWildcards = 3;

    const long MaxRepeat = 10_000;

    int _depth;
    int _nodes;

    /// <summary>The sizes of all values made so far.</summary>
    public Growth Total { get; private set; }

    /// <returns>SQL, in parentheses where it needs them.</returns>
    /// <exception cref="RefusedException">It holds something that is not allowed; the message names it.</exception>
    public string Read(JsonElement node)
    {
        var (sql, _) = Visit(node);
        if (Total.Factor > Growth.MostFactor || Total.Constant > Growth.MostConstant)
            throw new RefusedException("the expressions could make values far larger than the row they come from; repeat, pad or replace less, and nest less");
        return sql;
    }

    (string Sql, Growth Size) Visit(JsonElement node)
    {
        if (++_nodes > MaxNodes)
            throw new RefusedException("the expressions are too large");
        if (++_depth > MaxDepth)
            throw new RefusedException("the expression is nested too deeply");
        var visited = node.GetProperty("class").GetString() switch
        {
            "COLUMN_REF" => (scope.Reference(Names(node)), Growth.Column),
            "CONSTANT" => Constant(node),
            "FUNCTION" => Function(node),
            "LAMBDA" => Arrow(node),
            "COMPARISON" => Comparison(node),
            "CONJUNCTION" => Conjunction(node),
            "OPERATOR" => Operator(node),
            "BETWEEN" => Between(node),
            "CASE" => Case(node),
            "CAST" => Cast(node),
            var other => throw new RefusedException(Refusal(other)),
        };
        _depth--;
        Total += visited.Item2;
        return visited;
    }

    public static IReadOnlyList<string> Names(JsonElement columnReference) =>
        [.. columnReference.GetProperty("column_names").EnumerateArray().Select(n => n.GetString()!)];

    static string Refusal(string? kind) => kind switch
    {
        "SUBQUERY" => "a subquery is not allowed: a transform sees one row of its own table at a time",
        "WINDOW" => "a window function is not allowed: a transform sees one row at a time",
        "STAR" => "* is allowed as an entry of the select list only",
        "PARAMETER" => "a parameter has no value here; write the value",
        "COLLATE" => "COLLATE is not supported; compare lower(...) of both sides, for example",
        _ => $"{kind?.ToLowerInvariant().Replace('_', ' ')} is not allowed in an expression",
    };

    static (string, Growth) Constant(JsonElement node)
    {
        var sql = Literals.Sql(node);
        return (sql, new Growth(0, sql.Length));
    }

    (string, Growth) Function(JsonElement node)
    {
        var name = node.GetProperty("function_name").GetString()!;
        if (node.GetProperty("schema").GetString() is not ("" or "main") || node.GetProperty("catalog").GetString() is not "")
            throw new RefusedException($"write {name}(...) as a function of its own, without a name and a dot before it");
        var isPlain = node.GetProperty("filter").ValueKind == JsonValueKind.Null && !node.GetProperty("distinct").GetBoolean()
            && !node.GetProperty("export_state").GetBoolean() && node.GetProperty("order_bys").GetProperty("orders").GetArrayLength() == 0;
        var arguments = node.GetProperty("children").EnumerateArray().ToList();
        if (!isPlain || AllowedFunctions.Find(name) is not { } function)
            throw new RefusedException($"{Shown(name)} is not allowed: a transform may use functions that look at one row only, always give the same answer, and touch nothing else (docs/transforms.md lists them)");
        if (arguments.Count < function.Least || arguments.Count > function.Most)
            throw new RefusedException($"{Shown(name)} does not take {arguments.Count} arguments here");
        if (arguments.Any(a => a.GetProperty("alias").GetString() is { Length: > 0 }))
            throw new RefusedException($"{Shown(name)} takes no named arguments");
        for (var i = 0; i < arguments.Count; i++)
        {
            if ((function.Literals & (1 << Math.Min(i, 30))) != 0 && !Literals.IsLiteral(arguments[i]))
                throw new RefusedException($"argument {i + 1} of {Shown(name)} has to be a literal");
        }

        CheckPattern(function.Name, arguments);
        var parts = arguments.Select(Visit).ToList();
        var size = SizeOf(function, arguments, parts);
        return (Render(function.Name, [.. parts.Select(p => p.Sql)]), size);
    }

    static string Render(string name, string[] arguments) => name switch
    {
        "->" => $"json_extract({arguments[0]}, {arguments[1]})",
        "->>" => $"json_extract_string({arguments[0]}, {arguments[1]})",
        _ when char.IsAsciiLetter(name[0]) => $"{SqlIdentifier.Quote(name)}({string.Join(", ", arguments)})",
        _ when arguments.Length == 1 => $"({name} {arguments[0]})",
        _ => $"({arguments[0]} {name} {arguments[1]})",
    };

    // DuckDB parses the arrow of JSON and the arrow of a lambda alike.
    (string, Growth) Arrow(JsonElement node)
    {
        var path = node.GetProperty("expr");
        if (Literals.Text(path) is null && Literals.Number(path) is null)
            throw new RefusedException("-> takes a path literal on its right and binds weakly: put it in parentheses, (doc -> 'key') = ..., (doc -> '$.a.b') IS NULL; functions of a lambda are not allowed");
        CheckPath(path);
        var (sql, size) = Visit(node.GetProperty("lhs"));
        return (Render("->", [sql, Literals.Sql(path)]), size * 2);
    }

    (string, Growth) Comparison(JsonElement node)
    {
        var sign = node.GetProperty("type").GetString() switch
        {
            "COMPARE_EQUAL" => "=",
            "COMPARE_NOTEQUAL" => "<>",
            "COMPARE_LESSTHAN" => "<",
            "COMPARE_GREATERTHAN" => ">",
            "COMPARE_LESSTHANOREQUALTO" => "<=",
            "COMPARE_GREATERTHANOREQUALTO" => ">=",
            "COMPARE_DISTINCT_FROM" => "IS DISTINCT FROM",
            "COMPARE_NOT_DISTINCT_FROM" => "IS NOT DISTINCT FROM",
            var other => throw new RefusedException(Refusal(other)),
        };
        return ($"({Visit(node.GetProperty("left")).Sql} {sign} {Visit(node.GetProperty("right")).Sql})", Growth.Fixed);
    }

    (string, Growth) Conjunction(JsonElement node)
    {
        var sign = node.GetProperty("type").GetString() == "CONJUNCTION_AND" ? " AND " : " OR ";
        return ($"({string.Join(sign, node.GetProperty("children").EnumerateArray().Select(c => Visit(c).Sql))})", Growth.Fixed);
    }

    (string, Growth) Operator(JsonElement node)
    {
        var parts = node.GetProperty("children").EnumerateArray().Select(Visit).ToList();
        string List(int from) => string.Join(", ", parts.Skip(from).Select(p => p.Sql));
        return node.GetProperty("type").GetString() switch
        {
            "OPERATOR_NOT" => ($"(NOT {parts[0].Sql})", Growth.Fixed),
            "OPERATOR_IS_NULL" => ($"({parts[0].Sql} IS NULL)", Growth.Fixed),
            "OPERATOR_IS_NOT_NULL" => ($"({parts[0].Sql} IS NOT NULL)", Growth.Fixed),
            "COMPARE_IN" => ($"({parts[0].Sql} IN ({List(1)}))", Growth.Fixed),
            "COMPARE_NOT_IN" => ($"({parts[0].Sql} NOT IN ({List(1)}))", Growth.Fixed),
            "OPERATOR_COALESCE" => ($"COALESCE({List(0)})", Growth.Sum(parts.Select(p => p.Size))),
            "OPERATOR_TRY" => ($"TRY({parts[0].Sql})", parts[0].Size),
            "ARRAY_EXTRACT" => ($"({parts[0].Sql})[{parts[1].Sql}]", parts[0].Size),
            var other => throw new RefusedException(Refusal(other)),
        };
    }

    (string, Growth) Between(JsonElement node) => (
        $"({Visit(node.GetProperty("input")).Sql} BETWEEN {Visit(node.GetProperty("lower")).Sql} AND {Visit(node.GetProperty("upper")).Sql})", Growth.Fixed);

    (string, Growth) Case(JsonElement node)
    {
        var sql = "(CASE";
        var size = default(Growth);
        foreach (var check in node.GetProperty("case_checks").EnumerateArray())
        {
            var (then, thenSize) = Visit(check.GetProperty("then_expr"));
            sql += $" WHEN {Visit(check.GetProperty("when_expr")).Sql} THEN {then}";
            size = Growth.Larger(size, thenSize);
        }

        var (last, lastSize) = Visit(node.GetProperty("else_expr"));
        return ($"{sql} ELSE {last} END)", Growth.Larger(size, lastSize));
    }

    (string, Growth) Cast(JsonElement node)
    {
        var type = AllowedTypes.Sql(node.GetProperty("cast_type"))
            ?? throw new RefusedException("a cast to that type is not supported (docs/transforms.md lists the types)");
        var (sql, size) = Visit(node.GetProperty("child"));
        // Bytes are written as \x00 in text, a list with commas and brackets.
        var factor = type is "VARCHAR" or "JSON" ? 4 : type.EndsWith("[]", StringComparison.Ordinal) ? 24 : 1;
        return ($"{(node.GetProperty("try_cast").GetBoolean() ? "TRY_CAST" : "CAST")}({sql} AS {type})", (size * factor) + new Growth(0, 64));
    }

    static Growth SizeOf(AllowedFunction function, List<JsonElement> arguments, List<(string Sql, Growth Size)> parts)
    {
        switch (function.Rule)
        {
            case GrowthRule.Fixed:
                return Growth.Fixed;
            case GrowthRule.Times:
                return (Growth.Sum(parts.Select(p => p.Size)) * function.Factor) + new Growth(0, 64);
            case GrowthRule.Repeat:
                return parts[0].Size * Count(function, arguments[1]);
            case GrowthRule.Pad:
                return new Growth(0, 4.0 * Count(function, arguments[1]));
            case GrowthRule.Format:
                return new Growth(0, function.Factor * (Literals.Text(arguments[1])?.Length ?? 1));
            case GrowthRule.Replace:
                var (from, to) = (Literals.Text(arguments[1]), Literals.Text(arguments[2]));
                return from is null || to is null ? parts[0].Size : parts[0].Size * Math.Max(1, Math.Ceiling((double)Utf8(to) / Math.Max(1, Utf8(from))));
            default:
                // An empty match between any two characters, and each \1 as long as all of the text.
                var with = Literals.Text(arguments[2]) ?? "";
                return (parts[0].Size * (1 + Utf8(with) + with.Count(c => c == '\\'))) + new Growth(0, Utf8(with) + 1);
        }
    }

    static int Utf8(string text) => System.Text.Encoding.UTF8.GetByteCount(text);

    static long Count(AllowedFunction function, JsonElement argument) => Literals.Number(argument) is { } count and <= MaxRepeat
        ? Math.Max(0, count)
        : throw new RefusedException($"{Shown(function.Name)} takes a number literal of at most {MaxRepeat:N0} here".Replace(",", " ", StringComparison.Ordinal));

    static void CheckPattern(string function, List<JsonElement> arguments)
    {
        if (function.StartsWith("json_", StringComparison.Ordinal) || function is "->>")
        {
            if (arguments.Count > 1 && function is not ("json_object" or "json_array"))
                CheckPath(arguments[1]);
            return;
        }

        if (function.StartsWith("regexp", StringComparison.Ordinal) && arguments.Count > 1 && Literals.Text(arguments[1]) is { Length: > MaxPattern })
            throw new RefusedException($"the pattern of {Shown(function)} is too long");
        if (!function.Contains("~~", StringComparison.Ordinal) && !function.EndsWith("like_escape", StringComparison.Ordinal))
            return;
        var pattern = Literals.Text(arguments[1]) ?? "";
        if (pattern.Contains('_', StringComparison.Ordinal) || pattern.Contains('?', StringComparison.Ordinal) || pattern.Contains('[', StringComparison.Ordinal) || arguments.Count > 2)
        {
            if (pattern.Count(c => c is '%' or '*') > MaxWildcards)
                throw new RefusedException($"a pattern with single-character wildcards may hold {MaxWildcards} of the other kind at most; use regexp_matches");
        }
    }

    static void CheckPath(JsonElement path)
    {
        if (Literals.Text(path) is { } text && text.Contains('*', StringComparison.Ordinal))
            throw new RefusedException("a JSON path with * is not supported");
    }

    static string Shown(string name) => char.IsAsciiLetter(name[0]) ? $"{name}()" : $"operator {name}";
}
