using System.CommandLine;
using Rosetta.Client;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Invocations;

/// <summary>One run of a verb: its options, the API, the terminal.</summary>
sealed class Invocation : IDisposable
{
    // Tables in a pipe are for grep: a line of the table stays one line.
    const int PipeWidth = 400;

    /// <summary>What failures are told on.</summary>
    public static IAnsiConsole Errors { get; } =
        Unwrap(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(System.Console.Error) }), System.Console.IsErrorRedirected);

    readonly ParseResult _result;

    public Invocation(ParseResult result, CancellationToken cancellationToken)
    {
        _result = result;
        Cancelled = cancellationToken;
        Console = AnsiConsole.Console;
        Unwrap(Console, System.Console.IsOutputRedirected);
        var text = Setting(GlobalOptions.Api, GlobalOptions.AddressVariable);
        var address = ApiClient.DefaultAddress;
        if (text is not null && (!Uri.TryCreate(text, UriKind.Absolute, out address!) || address.Scheme is not ("http" or "https")))
            throw new RefusedException($"'{text}' is no address of a node: write it like http://127.0.0.1:8000");
        Api = new ApiClient(address, Setting(GlobalOptions.Key, GlobalOptions.KeyVariable));
    }

    public ApiClient Api { get; }

    public IAnsiConsole Console { get; }

    public CancellationToken Cancelled { get; }

    public bool Json => _result.GetValue(GlobalOptions.Json);

    public T? Value<T>(Option<T> option) => _result.GetValue(option);

    public T Value<T>(Argument<T> argument) => _result.GetRequiredValue(argument);

    /// <summary>The id behind an id or a name.</summary>
    public Task<long> IdAsync(string collection, Argument<string> argument) => IdAsync(collection, Value(argument));

    public Task<long> IdAsync(string collection, string idOrName) => Api.IdAsync(collection, idOrName, Cancelled);

    public Task<ApiAnswer> GetAsync(string path) => Api.GetAsync(path, Cancelled);

    public Task<ApiAnswer> PostAsync(string path, object? body = null) => Api.PostAsync(path, body, Cancelled);

    public Task<ApiAnswer> PutAsync(string path, object body) => Api.SendAsync(HttpMethod.Put, path, body, Cancelled);

    public Task<ApiAnswer> DeleteAsync(string path) => Api.DeleteAsync(path, Cancelled);

    /// <summary>Prints the answer: as it came with --json, otherwise the way <paramref name="render"/> shows it.</summary>
    public void Show<T>(ApiAnswer answer, Func<T, IRenderable> render)
    {
        if (Json)
            Line(Wire.Indent(answer.Text));
        else
            Console.Write(render(answer.As<T>()));
    }

    /// <summary>Says that something was done; with --json the answer itself.</summary>
    public void Done(ApiAnswer answer, FormattableString text)
    {
        if (!Json)
            Console.MarkupLineInterpolated(text);
        else if (answer.Text.Length > 0)
            Line(Wire.Indent(answer.Text));
    }

    /// <summary>A line as it is: no markup, no wrapping.</summary>
    public void Line(string text) => Console.Profile.Out.Writer.WriteLine(text);

    /// <summary>A text as it is, with the line breaks it has.</summary>
    public void Text(string text) => Console.Profile.Out.Writer.Write(text);

    /// <summary>Asks, unless --yes was given.</summary>
    /// <exception cref="RefusedException">The answer was no, or there is nobody to ask.</exception>
    public void Confirm(string question)
    {
        if (_result.GetValue(GlobalOptions.Yes))
            return;
        if (System.Console.IsInputRedirected || System.Console.IsOutputRedirected)
            throw new RefusedException($"{question} There is nobody to ask: add --yes.");
        if (!Console.Confirm(Markup.Escape(question), defaultValue: false))
            throw new RefusedException("Nothing was done.");
    }

    static IAnsiConsole Unwrap(IAnsiConsole console, bool redirected)
    {
        if (redirected)
            console.Profile.Width = PipeWidth;
        return console;
    }

    string? Setting(Option<string?> option, string variable)
    {
        var text = _result.GetValue(option) ?? Environment.GetEnvironmentVariable(variable);
        return string.IsNullOrWhiteSpace(text) ? null : text.Trim();
    }

    public void Dispose() => Api.Dispose();
}
