namespace Rosetta.Cli.Views;

/// <summary>
/// What something that takes its time is at, on standard error: one line that changes on a terminal, a line for each change in a pipe. Standard output keeps to the result.
/// </summary>
sealed class ProgressLine : IDisposable
{
    string _shown = "";

    public void Show(string text)
    {
        if (text == _shown)
            return;
        if (Console.IsErrorRedirected)
            Console.Error.WriteLine(text);
        else
            Console.Error.Write($"\r{Fit(text).PadRight(Fit(_shown).Length)}");
        _shown = text;
    }

    static string Fit(string text) => Console.WindowWidth is > 1 and var width && text.Length >= width ? text[..(width - 1)] : text;

    public void Dispose()
    {
        if (_shown.Length > 0 && !Console.IsErrorRedirected)
            Console.Error.WriteLine();
    }
}
