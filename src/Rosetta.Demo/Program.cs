using System.CommandLine;
using Rosetta.Demo;

// Ctrl-C stops servers, node and traffic, which takes a few seconds; the default of two would cut it off.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(60) };
return await DemoCommand.Create().Parse(args).InvokeAsync(configuration);
