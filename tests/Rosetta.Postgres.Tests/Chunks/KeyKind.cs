namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>A table with a key of some type, whose values follow from a number, which the table has beside it as column i.</summary>
/// <param name="Columns">The key's columns.</param>
/// <param name="Key">Their names.</param>
/// <param name="Values">The key of number #.</param>
public sealed record KeyKind(string Name, string Columns, string Key, string Values)
{
    /// <summary>The key's columns at the destination, where they differ.</summary>
    public string? TargetColumns { get; init; }

    /// <summary>An expression that gives a key another form, which is or is not another key.</summary>
    public string? Vary { get; init; }

    public string CreateSql(bool atTarget) =>
        $"CREATE TABLE {Name} ({(atTarget ? TargetColumns ?? Columns : Columns)}, i int, n int, big text, PRIMARY KEY ({Key})); ALTER TABLE {Name} ALTER big SET STORAGE EXTERNAL;";

    /// <param name="number">An expression.</param>
    public string Of(string number) => Values.Replace("#", $"({number})", StringComparison.Ordinal);

    public static readonly KeyKind[] All =
    [
        new("numbers", "id int", "id", "#"),
        new("words", "a text, b int", "a, b", "chr(97 + abs(#) % 7) || abs(#) % 3, #") { Vary = "a = upper(a)" },
        // The source sorts these as a language does, the destination by their bytes.
        new("texts", "k text COLLATE \"en-x-icu\"", "k", Text) { TargetColumns = "k text COLLATE \"C\"", Vary = "k = upper(k)" },
        new("bytewise", "k varchar(30) COLLATE \"C\"", "k", Text) { TargetColumns = "k varchar(40) COLLATE \"en-x-icu\"", Vary = "k = upper(k)" },
        new("chars", "k char(12) COLLATE \"en-x-icu\"", "k", $"({Text})::char(12)") { TargetColumns = "k char(12)", Vary = "k = upper(k)" },
        new("folded", "k text COLLATE folded", "k", Text) { TargetColumns = "k text COLLATE folded", Vary = "k = upper(k)" },
        new("unfolded", "k text COLLATE folded", "k", Text) { TargetColumns = "k text", Vary = "k = upper(k)" },
        new("uuids", "k uuid", "k", "md5((#)::text)::uuid"),
        new("decimals", "k numeric", "k", "CASE WHEN # % 2 = 0 THEN (#)::numeric ELSE (#) * 1.50 END") { Vary = "k = k + 0.000" },
        new("moments", "k timestamptz", "k", "timestamptz '2020-01-01 00:00:00+00' + # * interval '61 minutes'"),
        new("days", "k date", "k", "date '2020-01-01' + #"),
        new("bytes", "k bytea", "k", "decode(md5((#)::text), 'hex')"),
        new("floats", "k float8", "k", "# / 3.0::float8"),
        new("flags", "f bool, k smallint", "f, k", "# % 2 = 0, (#)::smallint"),
        new("moods", "m mood, k int", "m, k", "(enum_range(NULL::mood))[1 + abs(#) % 5], #"),
        new("pairs", "k pair", "k", "ROW(# % 5, chr(65 + abs(#) % 26) || chr(97 + abs(#) % 7) || #)::pair") { TargetColumns = "k pair" },
        new("codes", "k code", "k", $"({Text})::code"),
        new("spans", "k interval", "k", "# * interval '36 hours'") { Vary = "k = justify_days(k)" },
        new("nets", "k inet", "k", "inet '10.0.0.0' + # + 65536"),
        new("quoted", "\"K\"\"\" text, \"select\" int", "\"K\"\"\", \"select\"", "'a\"b\\''{},' || chr(65 + abs(#) % 40), #"),
    ];

    /// <summary>A type whose operators an extension makes, in a schema of its own choice.</summary>
    public static readonly KeyKind OfExtension = new("emails", "k citext", "k", "(ARRAY['a','B','-'])[1 + abs(#) % 3] || # || '@x.org'") { Vary = "k = upper(k::text)::citext" };

    /// <summary>Types that the keys are of, beside the server's own. The destination's labels stand in another order.</summary>
    public static string TypesSql(bool atTarget) =>
        $"""
        CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TYPE mood AS ENUM ({(atTarget ? "'sad', 'e', 'ok', 'glad', 'b', 'extra'" : "'b', 'ok', 'e', 'sad', 'glad'")});
        CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN code AS text{(atTarget ? "" : " COLLATE \"en-x-icu\"")} CHECK (value <> '');
        """;

    const string Text = "(ARRAY['a','B','-','_',' ','ä','Z'])[1 + abs(#) % 7] || chr(97 + abs(#) % 7) || #";
}
