using Rosetta.Core.Tables;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Tests;

/// <summary>A table with a column of each type.</summary>
static class Orders
{
    public static readonly TableName Table = new("public", "orders");

    public static readonly IReadOnlyList<SourceColumn> Columns =
    [
        new("id", 20, -1, "bigint"),
        new("status", 25, -1, "text"),
        new("amount", 1700, ((12 << 16) | 2) + 4, "numeric(12,2)"),
        new("free", 1700, -1, "numeric"),
        new("flag", 16, -1, "boolean"),
        new("small", 21, -1, "smallint"),
        new("n", 23, -1, "integer"),
        new("r", 700, -1, "real"),
        new("d", 701, -1, "double precision"),
        new("code", 1042, 8, "character(4)"),
        new("name", 1043, 24, "character varying(20)"),
        new("uid", 2950, -1, "uuid"),
        new("day", 1082, -1, "date"),
        new("ts", 1114, -1, "timestamp without time zone"),
        new("atz", 1184, -1, "timestamp with time zone"),
        new("clock", 1083, -1, "time without time zone"),
        new("js", 114, -1, "json"),
        new("doc", 3802, -1, "jsonb"),
        new("raw", 17, -1, "bytea"),
        new("mood", 20001, -1, "mood", IsEnum: true),
        new("tags", 1009, -1, "text[]"),
        new("ip", 869, -1, "inet"),
        new("total", 1700, -1, "numeric", IsGenerated: true),
        new("Odd \"Name", 23, -1, "integer"),
        new("a", 23, -1, "integer"),
        new("A", 25, -1, "text"),
    ];

    public static TransformRequest Request(string? filter = null, string? custom = null, params string[] chosen) =>
        new(Table, Columns, ["id"], chosen.Length == 0 ? null : chosen, filter, custom);

    public static CompileResult Compile(string? filter = null, string? custom = null, params string[] chosen)
    {
        using var engine = new DuckEngine(EngineLimits.Interactive);
        return TransformCompiler.Compile(Request(filter, custom, chosen), engine);
    }
}
