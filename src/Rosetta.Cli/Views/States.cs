using Spectre.Console;

namespace Rosetta.Cli.Views;

/// <summary>A state's colour: green is fine, yellow passes by itself, red needs somebody.</summary>
public static class States
{
    /// <summary>The state as markup.</summary>
    public static string Mark(string? state)
    {
        var color = state switch
        {
            "RUNNING" or "HEALTHY" or "STREAMING" or "ATTACHED" or "INSERT_ONLY" => "green",
            "ERROR" => "red",
            null or "STOPPED" or "PAUSED" or "EXCLUDED" => "grey",
            _ => "yellow"
        };
        return $"[{color}]{Markup.Escape(state ?? "-")}[/]";
    }
}
