namespace Rosetta.Core.Tables;

/// <summary>A table name in which <c>*</c> stands for any run of characters; a part in double quotes is literal.</summary>
public sealed class TablePattern
{
    readonly string _schema;
    readonly string _name;

    TablePattern(string schema, string name)
    {
        _schema = schema;
        _name = name;
    }

    /// <summary>True when an unquoted <c>*</c> occurs.</summary>
    public static bool IsPattern(string text)
    {
        var quoted = false;
        foreach (var c in text)
        {
            if (c == '"')
                quoted = !quoted;
            else if (c == '*' && !quoted)
                return true;
        }

        return false;
    }

    /// <summary>Reads <c>sales.*</c>, <c>*.orders</c>, <c>ord*</c> (in <c>public</c>).</summary>
    public static bool TryParse(string text, out TablePattern? pattern)
    {
        pattern = null;
        // Inside quotes a star is literal; it is carried through the name parser as a character no identifier may hold.
        var quoted = false;
        var plain = string.Create(text.Length, text, (span, t) =>
        {
            for (var i = 0; i < t.Length; i++)
            {
                if (t[i] == '"')
                    quoted = !quoted;
                span[i] = t[i] == '*' && quoted ? '\u0001' : t[i];
            }
        });
        if (!TableName.TryParse(plain, out var parts))
            return false;
        pattern = new TablePattern(parts.Schema, parts.Name);
        return true;
    }

    public bool Matches(TableName table) => Matches(_schema, table.Schema) && Matches(_name, table.Name);

    static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        var (p, t, star, mark) = (0, 0, -1, 0);
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                mark = t;
            }
            else if (p < pattern.Length && (pattern[p] == text[t] || (pattern[p] == '\u0001' && text[t] == '*')))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                t = ++mark;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }
}
