using System.Text;

namespace Rosetta.Bench.Reports;

/// <summary>A table as the documentation shows it.</summary>
sealed class MarkdownTable(params string[] headings)
{
    readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add(cells);

    public override string ToString()
    {
        var text = new StringBuilder();
        Line(headings);
        Line([.. headings.Select(_ => "---")]);
        foreach (var row in _rows)
            Line(row);
        return text.ToString();

        void Line(string[] cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }
}
